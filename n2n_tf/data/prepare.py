"""What shards are made of: SIDD's images, and image files."""

import functools
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from n2n_tf.config import UsageError
from n2n_tf.data import bayer, readers, sidd
from n2n_tf.data.errors import UnusableImageError
from n2n_tf.data.images import Images, find_images, reason
from n2n_tf.data.readers import Page
from n2n_tf.data.shard_writer import Source
from n2n_tf.data.shards import TRAIN, VAL


def sidd_sources(folder: str, val_scenes: Sequence[str] | None) -> tuple[list[Source], dict[str, str]]:
    """The noisy images below a folder of SIDD, and what cannot be used, with the reason.

    A scene is on one side of the split. Held-out images come with their clean partners, if these are there.

    Args:
        folder: SIDD_Medium_Raw, or any above the folders of its scene instances.
        val_scenes: numbers of the scenes held out, as "010"; None takes the last one, unless it is the only one.

    Raises:
        UsageError: no such folder, or scenes that are not there.
    """
    if not os.path.isdir(folder):
        raise UsageError(f"{folder}: wanted a folder")
    skipped: dict[str, str] = {}
    found: dict[Path, sidd.Instance] = {}
    for path in sorted(Path(folder).rglob(sidd.NOISY)):
        try:
            found[path] = sidd.instance(path.parent.name)
        except UsageError as error:
            skipped[str(path)] = str(error)
    scenes = sorted({instance.scene for instance in found.values()})
    held_out = scenes[1:][-1:] if val_scenes is None else list(val_scenes)
    if set(held_out) - set(scenes):
        raise UsageError(f"--val-scenes {' '.join(held_out)}: wanted some of {' '.join(scenes)}")
    clean = {path: path.with_name(path.name.replace("_NOISY_", "_GT_")) for path in found}
    paired = any(clean[path].exists() for path, instance in found.items() if instance.scene in held_out)
    sources = []
    for path, instance in found.items():
        split = VAL if instance.scene in held_out else TRAIN
        sources.append(
            Source(
                str(path),
                f"{instance.name}/{path.stem}",
                split,
                functools.partial(_read_sidd, path, clean[path] if paired and split == VAL else None, instance),
                {"scene": instance.scene, "phone": instance.phone, "pattern": instance.pattern, "iso": instance.iso},
            )
        )
    return sources, skipped


def _read_sidd(path: Path, clean: Path | None, instance: sidd.Instance) -> tuple[np.ndarray, np.ndarray | None]:
    metadata = path.with_name(path.name.replace("_NOISY_", "_METADATA_"))
    if metadata.exists() and sidd.metadata_pattern(metadata) != instance.pattern:
        raise UnusableImageError(
            f"{metadata.name} tells the CFA pattern {sidd.metadata_pattern(metadata)}, the phone {instance.phone} has "
            f"{instance.pattern}; move that file away if it is wrong"
        )
    noisy = bayer.whole_cells(sidd.read_image(path), instance.pattern)
    if clean is None:
        return noisy, None
    try:
        return noisy, bayer.whole_cells(sidd.read_image(clean), instance.pattern)
    except (UnusableImageError, OSError) as error:
        raise UnusableImageError(f"its clean partner {clean.name}: {reason(error)}") from error


def image_sources(
    paths: Sequence[str], val_paths: Sequence[str], channels: int, dtype: str, side: int
) -> tuple[list[Source], dict[str, str]]:
    """Image files, and what cannot be used, with the reason.

    Args:
        paths: folders, globs, files.
        val_paths: of those held out.
        channels, side: as `find_images` takes them.
        dtype: of the crops.

    Raises:
        UsageError: a path that does not exist, or an image on both sides.
        RunError: no usable image.
    """
    training = find_images(paths, channels, side, "PATH")
    held_out = find_images(val_paths, channels, side, "--val-data") if val_paths else Images([], channels)
    both = set(training.pages) & set(held_out.pages)
    if both:
        raise UsageError(f"--val-data: {min(map(str, both))} is among the images to train on too")
    sources = [
        Source(str(page), _shard_of(page), split, functools.partial(_read_page, page, dtype), {"page": page.number})
        for images, split in ((training, TRAIN), (held_out, VAL))
        for page in images.pages
    ]
    return sources, {**training.skipped, **held_out.skipped}


def _shard_of(page: Page) -> str:
    """A name for the eye, and one that no other page has."""
    return f"{Path(page.path).stem}_{hashlib.sha256(f'{page.path} {page.number}'.encode()).hexdigest()[:12]}"


def _read_page(page: Page, dtype: str) -> tuple[np.ndarray, None]:
    image = readers.read(page)[..., : page.colors]
    readers.check_pixels(image)
    if dtype == "float32":
        return readers.colors_in_unit_range(image, page.colors), None
    if image.dtype == bool:
        image = image.astype(np.uint8) * np.uint8(255)
    if image.dtype == np.uint8 and dtype == "uint16":
        return image.astype(np.uint16) * np.uint16(257), None
    if image.dtype != dtype:
        raise UnusableImageError(f"{image.dtype} pixels, which {dtype} would round; say --dtype uint16 or float32")
    return image, None
