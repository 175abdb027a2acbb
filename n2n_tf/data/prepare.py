"""What shards are made of: SIDD's images, and image files."""

import functools
import hashlib
import logging
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from n2n_tf.config import UsageError
from n2n_tf.data import sidd
from n2n_tf.data.finding import find_files, reason
from n2n_tf.data.images import Images, find_images
from n2n_tf.data.manifest import TRAIN, VAL
from n2n_tf.data.shard_writer import Source
from n2n_tf.formats import bayer, readers
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import Page
from n2n_tf.formats.pixels import check_pixels, check_type, in_unit_range, numbers

logger = logging.getLogger(__name__)

LONGEST = 120  # bytes of a folder's or file's name; file systems take some more


def sidd_sources(
    folder: str, val_scenes: Sequence[str] | None, with_clean: bool = False
) -> tuple[list[Source], dict[str, str]]:
    """The noisy images below a folder of SIDD, and what cannot be used, with the reason.

    A scene is on one side of the split. Held-out images come with their clean partners, if these are there.

    Args:
        folder: SIDD_Medium_Raw, or any above the folders of its scene instances.
        val_scenes: numbers of the scenes held out, as "010"; None takes the last one, unless it is the only one.
        with_clean: whether images to train on come with their clean partners too.

    Raises:
        UsageError: no such folder, scenes that are not there, or all of them held out.
    """
    if not os.path.isdir(folder):
        raise UsageError(f"{folder}: wanted a folder")
    found, skipped = _instances(folder)
    scenes = sorted({instance.scene for instance in found.values()})
    held_out = scenes[1:][-1:] if val_scenes is None else list(val_scenes)
    if set(held_out) - set(scenes) and scenes:
        raise UsageError(f"`val_scenes` {' '.join(held_out)}: wanted some of {' '.join(scenes)}")
    if scenes and set(held_out) == set(scenes):
        raise UsageError(f"`val_scenes` {' '.join(held_out)}: are all; leave one to train on")
    clean = {path: path.with_name(path.name.replace("_NOISY_", "_GT_")) for path in found}
    paired = any(clean[path].exists() for path, instance in found.items() if instance.scene in held_out)
    sources = []
    for path, instance in found.items():
        split = VAL if instance.scene in held_out else TRAIN
        files = (path, clean[path]) if with_clean or (paired and split == VAL) else (path,)
        if not files[-1].exists():
            skipped[str(path)] = f"its clean partner {files[-1].name} is missing"
            continue
        read = functools.partial(_read_sidd, instance.pattern, *files)
        told: dict[str, str | int] = {name: getattr(instance, name) for name in ("scene", "phone", "pattern", "iso")}
        sources.append(Source(f"{instance.name}/{path.stem}", split, files, read, told))
    return sources, skipped


def image_sources(
    paths: Sequence[str], val_paths: Sequence[str], channels: int, dtype: str, side: int, kind: str | None = None,
    picked: Sequence[str | int] = (),
) -> tuple[list[Source], dict[str, str]]:  # fmt: skip
    """Image files, and what cannot be used, with the reason.

    Args:
        paths: folders, globs, files.
        val_paths: of those held out.
        channels, side, kind, picked: as `find_images` takes them.
        dtype: of the crops.

    Raises:
        UsageError: a path that does not exist, or an image on both sides.
        RunError: no usable image.
    """
    training = find_images(paths, channels, side, "PATH", kind, picked)
    held_out = Images([], channels)
    if val_paths:
        held_out = find_images(val_paths, channels, side, "`val_data`", kind, picked)
    both = set(training.pages) & set(held_out.pages)
    if both:
        raise UsageError(f"`val_data`: {min(map(str, both))} is among the images to train on too")
    roots = {**find_files(paths, "PATH"), **find_files(val_paths, "`val_data`")}
    skipped = {**training.skipped, **held_out.skipped}
    sources: dict[str, Source] = {}
    for images, split in ((training, TRAIN), (held_out, VAL)):
        for page in images.pages:
            shard = shard_name(page, roots[page.path])
            read = functools.partial(_read_page, page, dtype)
            source = Source(shard, split, (Path(page.path),), read, {"page": page.number})
            if sources.setdefault(shard, source) is not source:
                skipped[str(page)] = f"has the name of {sources[shard].files[0]}; rename a folder, or prepare it apart"
    return list(sources.values()), skipped


def shard_name(page: Page, root: str) -> str:
    """The path of a page from the folder that holds its root, in letters that all file systems take."""
    inside = os.path.relpath(page.path, os.path.dirname(root)) + (f"_{page.number}" if page.number else "")
    parts = (quote(os.fsencode(part)) for part in inside.split(os.sep))
    return "/".join(
        part if len(part) <= LONGEST else f"{part[:80]}_{hashlib.sha256(part.encode()).hexdigest()[:16]}"
        for part in parts
    )


def _instances(folder: str) -> tuple[dict[Path, sidd.Instance], dict[str, str]]:
    """The noisy images of scene instances, and those that cannot be used."""
    paths = (Path(place, name) for place, _, names in os.walk(folder, followlinks=True) for name in names)
    found: dict[Path, sidd.Instance] = {}
    skipped: dict[str, str] = {}
    names: dict[str, Path] = {}
    untold = 0
    for path in sorted(path for path in paths if re.fullmatch(sidd.NOISY, path.name)):
        try:
            instance = sidd.instance(path.parent.name)
        except UsageError as error:
            skipped[str(path)] = str(error)
            continue
        metadata = path.with_name(path.name.replace("_NOISY_", "_METADATA_"))
        told = sidd.metadata_pattern(metadata) if metadata.exists() else None
        untold += told is None
        if told not in (None, instance.pattern):
            skipped[str(path)] = (
                f"{metadata.name} tells the CFA pattern {told}, the phone {instance.phone} has {instance.pattern}; "
                "move that file away if it is wrong"
            )
        elif names.setdefault(f"{instance.name}/{path.stem}", path) is not path:
            skipped[str(path)] = f"is there twice, also as {names[f'{instance.name}/{path.stem}']}"
        else:
            found[path] = instance
    if untold:
        logger.info("%d images without metadata that tell their CFA pattern: it is that of their phone", untold)
    return found, skipped


def _read_sidd(pattern: str, noisy: Path, clean: Path | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    planes = bayer.whole_cells(sidd.read_image(noisy), pattern)
    if clean is None:
        return planes, None
    try:
        return planes, bayer.whole_cells(sidd.read_image(clean), pattern)
    except (UnusableImageError, OSError) as error:
        raise UnusableImageError(f"its clean partner {clean.name}: {reason(error)}") from error


def _read_page(page: Page, dtype: str) -> tuple[np.ndarray, None]:
    image = numbers(readers.read(page), page.colors)
    if dtype == "float32" and (image.dtype.kind == "f" or image.dtype not in (bool, np.uint8, np.uint16)):
        check_type(image.dtype)
        return image.astype(np.float32), None  # as they are: the run measures their range
    check_pixels(image)
    if dtype == "float32":
        return in_unit_range(image), None
    if image.dtype == bool:
        image = image.astype(np.uint8) * np.uint8(255)
    if image.dtype == np.uint8 and dtype == "uint16":
        return image.astype(np.uint16) * np.uint16(257), None
    if image.dtype != dtype:
        wider: Iterable[str] = ("uint16", "float32") if image.dtype == np.uint16 else ("float32",)
        raise UnusableImageError(f"{image.dtype} pixels, which {dtype} would round; say `dtype` {' or '.join(wider)}")
    return image, None
