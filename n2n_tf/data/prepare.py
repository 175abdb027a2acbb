"""Crops of images, written as the shards that `shards.py` reads: one for each image, so that a stopped run goes on."""

import functools
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from n2n_tf.config import MANIFEST, UsageError
from n2n_tf.data import bayer, readers, sidd
from n2n_tf.data.errors import UnusableImageError
from n2n_tf.data.images import Images, find_images, reason
from n2n_tf.data.readers import Page
from n2n_tf.data.shards import COMPRESSION, TRAIN, VAL, path_of, read_manifest, shards_at
from n2n_tf.files import PARTIAL

LEVEL = 1  # of compression: 8 times faster than the default for 20 % more bytes


@dataclass(frozen=True)
class Source:
    """One image to be cut into the crops of one shard.

    Attributes:
        path: of its file.
        shard: path of the shard, without its split and suffix.
        split: `TRAIN` or `VAL`.
        read: gives the image and its clean partner, [H, W, C] of equal shape and type, or None for the partner.
        metadata: written with each crop.
    """

    path: str
    shard: str
    split: str
    read: Callable[[], tuple[np.ndarray, np.ndarray | None]]
    metadata: dict[str, str | int]


class Writer:
    """A folder of shards as it grows; what is in its manifest is whole.

    Args:
        folder: where, in any place that tf.io.gfile opens.
        form: side, channels and dtype of the crops.
        settings: what else decides the crops; a folder made with others is refused.
        step: from one crop to the next.

    Raises:
        UsageError: the folder holds shards made with other settings.
        RunError: its manifest is damaged.
    """

    def __init__(self, folder: str, form: dict[str, Any], settings: dict[str, Any], step: int):
        self.folder, self.step = folder, step
        self.manifest = {**form, "settings": settings, "shards": {}}
        if shards_at(folder):
            held = read_manifest(folder)
            for name, now in {**form, "settings": settings}.items():
                if held.get(name) != now:
                    raise UsageError(
                        f"--output {folder}: holds shards of {name} {held.get(name)}, these have {now}; name another"
                    )
            self.manifest = held

    def add(self, source: Source) -> int:
        """Write the crops of an image, or count those that are there.

        Returns:
            The number of crops.

        Raises:
            UnusableImageError, OSError: the image cannot be read, or is smaller than a crop.
        """
        name = f"{source.split}/{source.shard}.tfrecord"
        path = path_of(self.folder, name)
        held = self.manifest["shards"].get(name)
        if held and tf.io.gfile.exists(path) and tf.io.gfile.stat(path).length == held["bytes"]:
            return held["count"]
        noisy, clean = self._checked(*source.read())
        count, size = _write(path, self._records(source, noisy, clean))
        self.manifest["shards"][name] = {
            "split": source.split, "count": count, "bytes": size, "paired": clean is not None
        }  # fmt: skip
        _replace(path_of(self.folder, MANIFEST), json.dumps(self.manifest, indent=1) + "\n")
        return count

    def _checked(self, noisy: np.ndarray, clean: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        side = self.manifest["side"]
        if clean is not None and clean.shape != noisy.shape:
            raise UnusableImageError(f"has the shape {noisy.shape}, its clean partner {clean.shape}")
        if min(noisy.shape[:2]) < side:
            raise UnusableImageError(f"{noisy.shape[1]}×{noisy.shape[0]} {self.unit}; a crop has {side}×{side}")
        return noisy, clean

    @property
    def unit(self) -> str:
        """What its crops count in."""
        return "cells of 2×2 pixels" if self.manifest["channels"] == bayer.CHANNELS else "pixels"

    def _records(self, source: Source, noisy: np.ndarray, clean: np.ndarray | None) -> Iterator[bytes]:
        side = self.manifest["side"]
        for row, column in itertools.product(*(starts(length, side, self.step) for length in noisy.shape[:2])):
            window = slice(row, row + side), slice(column, column + side)
            values = {
                "noisy": np.ascontiguousarray(noisy[window]).tobytes(),
                "key": f"{source.shard} {row} {column}",
                "row": row,
                "column": column,
                **source.metadata,
            }
            if clean is not None:
                values["clean"] = np.ascontiguousarray(clean[window]).tobytes()
            features = {name: _feature(value) for name, value in values.items()}
            yield tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def starts(length: int, side: int, step: int) -> list[int]:
    """Where crops begin: every `step`, and at the end, so that each pixel is in one."""
    return [*range(0, length - side, step), length - side]


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


def _write(path: str, records: Iterator[bytes]) -> tuple[int, int]:
    """Write a shard, whole or not at all; its records and bytes."""
    folder, name = os.path.split(path)
    temporary, count = path_of(folder, PARTIAL + name), 0
    tf.io.gfile.makedirs(folder)
    try:
        with tf.io.TFRecordWriter(temporary, tf.io.TFRecordOptions(COMPRESSION, compression_level=LEVEL)) as writer:
            for record in records:
                writer.write(record)
                count += 1
        tf.io.gfile.rename(temporary, path, overwrite=True)
    finally:
        if tf.io.gfile.exists(temporary):
            tf.io.gfile.remove(temporary)
    return count, tf.io.gfile.stat(path).length


def _replace(path: str, text: str) -> None:
    folder, name = os.path.split(path)
    temporary = path_of(folder, PARTIAL + name)
    with tf.io.gfile.GFile(temporary, "w") as file:
        file.write(text)
    tf.io.gfile.rename(temporary, path, overwrite=True)


def _feature(value: bytes | str | int) -> tf.train.Feature:
    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    value = value.encode() if isinstance(value, str) else value
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
