"""Prepared crops in TFRecord shards, in any place that tf.io.gfile opens: read side by side, shuffled, resumable.

A folder of shards holds `shards.json`, which tells of each shard how many crops and bytes it has and on which side of
the split it is, and of all the form of their crops. `shard_writer.py` writes them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from n2n_tf.config import RunError, UsageError
from n2n_tf.data.manifest import COMPRESSION, path_of, read_manifest, size_of
from n2n_tf.data.seeds import SHARDS, WINDOWS, derive

CYCLE = 64  # shards read side by side
WINDOW = 2**26  # bytes of crops that come in a random order, then the next ones; in memory up to four times
MOST_HELD_OUT = 32  # crops scored after each epoch


@dataclass
class Shards:
    """Crops [side, side, channels] to train on.

    Attributes:
        folder: where the shards lie.
        split: `TRAIN` or `VAL`.
        counts, sizes: crops and bytes by shard, its path in the folder.
        side, channels, dtype: of all crops.
        paired: whether clean partners are there.
    """

    folder: str
    split: str
    counts: dict[str, int]
    sizes: dict[str, int]
    side: int
    channels: int
    dtype: str
    paired: bool = False
    skipped: dict[str, str] = field(default_factory=dict)
    failure: RunError | None = None  # as in `Images`; reading from shards has TensorFlow's own errors

    def __len__(self) -> int:
        return sum(self.counts.values())

    @property
    def pages(self) -> list[str]:
        """What tells training images from held-out ones."""
        return list(self.counts)

    def check_workers(self, workers: int) -> None:
        """Raise UsageError if there are fewer shards than workers."""
        if len(self.counts) < workers:
            raise UsageError(f"{self.folder}: {len(self.counts)} shards for {workers} workers; wanted at least as many")

    def records(self, first: int, seed: int, worker: int = 0, workers: int = 1) -> tf.data.Dataset:
        """Endless crops, from number `first` of this worker on.

        Each pass over the shards has a new order: they are shuffled, read `CYCLE` side by side to their ends, then the
        next `CYCLE`; what comes is shuffled in windows. Several workers share the shards, each has its own and passes
        over them at its own pace: as many shards each, of about equal size, are best.

        Returns:
            Dataset of serialized crops, strings.

        Raises:
            UsageError: fewer shards than workers.
        """
        self.check_workers(workers)
        names = list(self.counts)[worker::workers]
        counts = [self.counts[name] for name in names]
        paths = tf.constant([path_of(self.folder, name) for name in names])
        groups = -(-len(names) // CYCLE)

        def place(each: tf.Tensor | int, number: tf.Tensor | int) -> tf.Tensor:
            """Of the shard that stands at place `each` in pass `number`."""
            order = derive(seed, SHARDS, number)
            return tf.random.experimental.index_shuffle(tf.cast(each, tf.int64), order, len(names) - 1)

        def read(group: tf.Tensor) -> tf.data.Dataset:
            begin = group % groups * CYCLE
            chosen = tf.data.Dataset.range(begin, tf.minimum(begin + CYCLE, len(names)))
            crops = chosen.map(lambda each: paths[place(each, group // groups)]).interleave(
                lambda path: tf.data.TFRecordDataset(path, COMPRESSION),
                cycle_length=CYCLE, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True,
            )  # fmt: skip
            return self._shuffled(crops, derive(seed, WINDOWS, group))

        number, skipped = divmod(first, sum(counts))  # passes, then crops, of which whole groups need not be read
        order = [counts[int(place(each, number))] for each in range(len(names))] if skipped else []
        group = number * groups
        while order and skipped >= sum(order[:CYCLE]):
            skipped, order, group = skipped - sum(order[:CYCLE]), order[CYCLE:], group + 1
        return tf.data.Dataset.range(group, tf.int64.max).flat_map(read).skip(skipped)

    def _shuffled(self, crops: tf.data.Dataset, seed: tf.Tensor) -> tf.data.Dataset:
        """In windows: tf.data's own shuffle depends on TensorFlow's global seed too."""
        crop_bytes = self.side**2 * self.channels * tf.dtypes.as_dtype(self.dtype).size

        def shuffle(number: tf.Tensor, window: tf.Tensor) -> tf.data.Dataset:
            own = tf.random.experimental.stateless_fold_in(seed, number)
            return tf.data.Dataset.from_tensor_slices(tf.random.experimental.stateless_shuffle(window, own))

        return crops.batch(max(1, WINDOW // crop_bytes)).prefetch(1).enumerate().flat_map(shuffle)

    def load(self, record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Decode a crop: float32 [side, side, channels], in [0, 1] or black 0 and white 1; and a number of its own."""
        crop = _parsed(record, "noisy", "key")
        return self._decoded(crop["noisy"]), tf.strings.to_hash_bucket_fast(crop["key"], 2**62)

    def load_pair(self, record: tf.Tensor) -> tuple[np.ndarray, np.ndarray | None]:
        """A crop and its clean partner, if there is one."""
        crop = _parsed(record, "noisy", *(["clean"] if self.paired else []))
        return self._decoded(crop["noisy"]).numpy(), self._decoded(crop["clean"]).numpy() if self.paired else None

    def _decoded(self, pixels: tf.Tensor) -> tf.Tensor:
        dtype = tf.dtypes.as_dtype(self.dtype)
        image = tf.cast(tf.reshape(tf.io.decode_raw(pixels, dtype), [self.side, self.side, self.channels]), tf.float32)
        return image / dtype.max if dtype.is_integer else image


@dataclass
class HeldOut:
    """Some crops of shards, evenly spaced, kept in memory: what is scored after each epoch."""

    shards: Shards
    skipped: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return min(MOST_HELD_OUT, len(self.shards))

    @property
    def pages(self) -> list[str]:
        return self.shards.pages

    @property
    def paired(self) -> bool:
        return self.shards.paired

    def read(self, index: int) -> tuple[np.ndarray, np.int64]:
        """Crop number `index`, float32 [side, side, channels]."""
        return self._pairs[index][0], np.int64(index)

    def clean(self, index: int) -> np.ndarray | None:
        """Its clean partner."""
        return self._pairs[index][1]

    @cached_property
    def _pairs(self) -> list[tuple[np.ndarray, np.ndarray | None]]:
        wanted = {number * len(self.shards) // len(self) for number in range(len(self))}
        found, first = [], 0
        for name, count in self.shards.counts.items():
            places = [place for place in range(count) if first + place in wanted]
            crops = tf.data.TFRecordDataset(path_of(self.shards.folder, name), COMPRESSION)
            records = enumerate(crops.take(max(places) + 1) if places else [])
            found += [self.shards.load_pair(record) for place, record in records if place in places]
            first += count
        return found


def open_shards(folder: str, split: str) -> Shards:
    """The shards of one side of the split, in the order of their names.

    Raises:
        RunError: shards.json is damaged, or a shard is missing or cut short.
    """
    folder = os.path.abspath(os.path.expanduser(folder)) if os.path.isdir(os.path.expanduser(folder)) else folder
    manifest = read_manifest(folder)
    chosen = {name: shard for name, shard in sorted(manifest["shards"].items()) if shard["split"] == split}
    for name, shard in chosen.items():
        size = size_of(path_of(folder, name))
        if size != shard["bytes"]:
            raise RunError(
                f"{path_of(folder, name)}: {'missing' if size is None else f'{size} bytes'}; wanted {shard['bytes']} "
                "bytes: `n2n-tf prepare` with the same --output writes it again, or drops it if its image is gone"
            )
    counts, sizes = ({name: shard[what] for name, shard in chosen.items()} for what in ("count", "bytes"))
    paired = bool(chosen) and all(shard["paired"] for shard in chosen.values())
    return Shards(folder, split, counts, sizes, manifest["side"], manifest["channels"], manifest["dtype"], paired)


def reopen_shards(saved: Mapping[str, Any]) -> Shards:
    """The shards that a run began with, from the fields of `Shards`.

    Raises:
        RunError: they are damaged, or others now.
    """
    shards, before = open_shards(saved["folder"], saved["split"]), Shards(**saved)
    for name in ("side", "channels", "dtype", "paired", "counts", "sizes"):
        if getattr(shards, name) != getattr(before, name):
            raise RunError(f"{shards.folder}: its shards are not those that the run began with; begin a new one")
    return shards


def _parsed(record: tf.Tensor, *names: str) -> dict[str, tf.Tensor]:
    return tf.io.parse_single_example(record, {name: tf.io.FixedLenFeature([], tf.string) for name in names})
