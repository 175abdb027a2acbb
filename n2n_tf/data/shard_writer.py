"""Writing the shards that `shards.py` reads: one for each image, so that a stopped run goes on."""

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tensorflow as tf

from n2n_tf.config import MANIFEST, UsageError
from n2n_tf.config.kinds import MOSAIC, kind_by_count
from n2n_tf.data.manifest import COMPRESSION, FORMAT, path_of, read_manifest, shards_at, size_of
from n2n_tf.files import partial_name, sweep
from n2n_tf.formats.errors import UnusableImageError

LEVEL = 1  # of compression: 8 times faster than the default for 20 % more bytes
PAUSE = 5.0  # seconds between two writings of the manifest


@dataclass(frozen=True)
class Source:
    """One image to be cut into the crops of one shard.

    Attributes:
        shard: path of the shard, without its split and suffix.
        split: `TRAIN` or `VAL`.
        files: that the image is read from, its own first; their sizes and times tell whether to cut again.
        read: gives the image and its clean partner, [H, W, C] of equal shape and type, or None for the partner.
        metadata: written with each crop.
    """

    shard: str
    split: str
    files: tuple[Path, ...]
    read: Callable[[], tuple[np.ndarray, np.ndarray | None]]
    metadata: dict[str, str | int]


class Writer:
    """A folder of shards as it grows, to be used in a `with` statement. What its manifest lists is whole.

    Args:
        folder: where, in any place that tf.io.gfile opens.
        form: side, channels and dtype of the crops, and the kind of the images where the channels do not tell it.
        settings: what else decides the crops; a folder made with others is refused.
        step: from one crop to the next.

    Raises:
        UsageError: the folder holds shards made with other settings.
        RunError: its manifest is damaged, or of a later version.
    """

    def __init__(self, folder: str, form: dict[str, Any], settings: dict[str, Any], step: int):
        self.folder, self.step = folder, step
        form = {"kind": kind_by_count(form["channels"]), **form}
        self.manifest = {"format": FORMAT, **form, "settings": settings, "shards": {}}
        self._saved = time.monotonic()
        if shards_at(folder):
            held = read_manifest(folder)
            for name, now in {**form, "settings": settings}.items():
                if held.get(name) != now:
                    raise UsageError(
                        f"`output` {folder}: holds shards of {name} {held.get(name)}, these have {now}; name another"
                    )
            self.manifest = held

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.manifest["shards"]:
            self._save()

    def add(self, source: Source) -> int:
        """Write the crops of an image, or count those that are there.

        Returns:
            The number of crops.

        Raises:
            UnusableImageError, OSError: the image cannot be read, or is smaller than a crop.
        """
        name = f"{source.split}/{source.shard}.tfrecord"
        path = path_of(self.folder, name)
        held, stamp = self.manifest["shards"].get(name), [_stamp(file) for file in source.files]
        if held and held.get("from") == stamp and size_of(path) == held["bytes"]:
            return held["count"]
        noisy, clean = self._checked(*source.read())
        count, size = _write(path, self._records(source, noisy, clean))
        self.manifest["shards"][name] = {
            "split": source.split, "count": count, "bytes": size, "paired": clean is not None, "from": stamp,
        }  # fmt: skip
        if time.monotonic() > self._saved + PAUSE:
            self._save()
        return count

    def keep_only(self, sources: list[Source]) -> list[str]:
        """Drop the shards of all other images from the manifest; their files stay. Returns their names."""
        names = {f"{source.split}/{source.shard}.tfrecord" for source in sources}
        gone = [name for name in self.manifest["shards"] if name not in names]
        for name in gone:
            del self.manifest["shards"][name]
        return gone

    def _checked(self, noisy: np.ndarray, clean: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        side = self.manifest["side"]
        if clean is not None and clean.shape != noisy.shape:
            raise UnusableImageError(f"has the shape {noisy.shape}, its clean partner {clean.shape}")
        if min(noisy.shape[:2]) < side:
            unit = "cells of 2×2 pixels" if self.manifest["kind"] == MOSAIC else "pixels"
            raise UnusableImageError(f"{noisy.shape[1]}×{noisy.shape[0]} {unit}; a crop has {side}×{side}")
        return noisy, clean

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
            example = tf.train.Example(features=tf.train.Features(feature=features))
            yield example.SerializeToString(deterministic=True)  # else two processes' shards differ in size

    def _save(self) -> None:
        text = json.dumps(self.manifest, indent=1) + "\n"
        _replace(path_of(self.folder, MANIFEST), lambda temporary: _write_text(temporary, text))
        self._saved = time.monotonic()


def starts(length: int, side: int, step: int) -> list[int]:
    """Where crops begin: every `step`, and one at the end, so that with steps up to `side` each pixel is in one."""
    return [*range(0, length - side, step), length - side]


def _stamp(file: Path) -> list[int]:
    status = file.stat()
    return [status.st_size, status.st_mtime_ns]


def _write(path: str, records: Iterator[bytes]) -> tuple[int, int]:
    """Write a shard; its records and bytes."""
    count = 0

    def write(temporary: str) -> None:
        nonlocal count
        with tf.io.TFRecordWriter(temporary, tf.io.TFRecordOptions(COMPRESSION, compression_level=LEVEL)) as writer:
            for record in records:
                writer.write(record)
                count += 1

    _replace(path, write)
    return count, size_of(path) or 0


def _replace(path: str, write: Callable[[str], None]) -> None:
    """As `files.write`, in any place that tf.io.gfile opens."""
    folder, name = os.path.split(path)
    temporary = path_of(folder, partial_name(name))
    tf.io.gfile.makedirs(folder)
    sweep(Path(folder))  # of another machine's storage nothing is swept
    try:
        write(temporary)
        tf.io.gfile.rename(temporary, path, overwrite=True)
    finally:
        if tf.io.gfile.exists(temporary):
            tf.io.gfile.remove(temporary)


def _write_text(path: str, text: str) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(text)


def _feature(value: bytes | str | int) -> tf.train.Feature:
    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    value = value.encode() if isinstance(value, str) else value
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
