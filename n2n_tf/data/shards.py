"""Prepared crops in TFRecord shards, in any place that tf.io.gfile opens: read side by side, shuffled, resumable.

A folder of shards holds `shards.json`, which tells of each shard how many crops and bytes it has and on which side of
the split it is, and of all the form of their crops. `shard_writer.py` writes them.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import tensorflow as tf

from n2n_tf.config import RunError, UsageError
from n2n_tf.data.manifest import COMPRESSION, path_of, read_manifest, size_of
from n2n_tf.data.seeds import SHARDS, WINDOWS, derive
from n2n_tf.value_range import ValueRange

CYCLE = 64  # shards read side by side
WINDOW = 2**26  # bytes of crops that come in a random order, then the next ones; in memory up to four times
NOT_SAVED = ("failure", "value_range")  # in a run's list; the second has its own place there


@dataclass
class Shards:
    """A `Source`: crops [side, side, channels] to train on.

    Attributes:
        folder: where the shards lie.
        split: `TRAIN` or `VAL`.
        counts, sizes: crops and bytes by shard, its path in the folder.
        side, channels, dtype: of all crops.
        paired: whether clean partners are there.
        clean: whether these are the images, alone, to which noise is added.
    """

    folder: str
    split: str
    counts: dict[str, int]
    sizes: dict[str, int]
    side: int
    channels: int
    dtype: str
    paired: bool = False
    clean: bool = False
    skipped: dict[str, str] = field(default_factory=dict)
    failure: RunError | None = None  # reading from shards has TensorFlow's own errors
    value_range: ValueRange | None = None
    limits = None  # not known of crops
    kind: str = ""  # of the images; what a run of an earlier version wrote has none
    parts: int = 1  # 2: with their clean partners
    unit = "crops"

    def __len__(self) -> int:
        return sum(self.counts.values())

    @property
    def names(self) -> list[str]:
        return list(self.counts)

    def to_json(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in NOT_SAVED}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], channels: int) -> "Shards":
        return reopen_shards(saved)

    def check_workers(self, workers: int) -> None:
        """Raise UsageError if there are fewer shards than workers."""
        if len(self.counts) < workers:
            raise UsageError(f"{self.folder}: {len(self.counts)} shards for {workers} workers; wanted at least as many")

    def samples(self, count: int) -> Iterator[np.ndarray]:
        chosen = list(self.counts)[:: -(-len(self.counts) // count)]
        for name in chosen:
            crops = tf.data.TFRecordDataset(path_of(self.folder, name), COMPRESSION)
            for record in crops.take(count // len(chosen)):
                yield self._stored(parsed(record, self._own)[self._own]).numpy()

    def references(self, numbers: tf.data.Dataset, first: int, seed: int, worker: int, workers: int) -> tf.data.Dataset:
        return self.records(first, seed, worker, workers)

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
                cycle_length=CYCLE, num_parallel_calls=os.cpu_count(), deterministic=True,
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
        crop = parsed(record, self._own, "key")
        return self._decoded(crop[self._own]), tf.strings.to_hash_bucket_fast(crop["key"], 2**62)

    def load_crop(self, record: tf.Tensor, side: int, seed: tf.Tensor) -> tf.Tensor:
        names = (self._own, "clean")[: self.parts]
        crop = parsed(record, *names)
        image = tf.concat([self._decoded(crop[name]) for name in names], -1)
        return tf.image.stateless_random_crop(image, [side, side, self.parts * self.channels], seed)

    def load_pair(self, record: tf.Tensor) -> tuple[np.ndarray, np.ndarray | None]:
        """A crop and its clean partner, if there is one beside it."""
        names = [self._own, *(["clean"] if self.paired and not self.clean else [])]
        crop = parsed(record, *names)
        image, *partner = (self._decoded(crop[name]).numpy() for name in names)
        return image, partner[0] if partner else None

    @property
    def _own(self) -> str:
        """What the images are called in a crop's record."""
        return "clean" if self.clean else "noisy"

    def _stored(self, pixels: tf.Tensor) -> tf.Tensor:
        dtype = tf.dtypes.as_dtype(self.dtype)
        return tf.reshape(tf.io.decode_raw(pixels, dtype), [self.side, self.side, self.channels])

    def _decoded(self, pixels: tf.Tensor) -> tf.Tensor:
        stored = self._stored(pixels)
        image = tf.cast(stored, tf.float32)
        if self.value_range:
            return (image - self.value_range.low) / self.value_range.span
        return image / stored.dtype.max if stored.dtype.is_integer else image


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
    form = manifest["side"], manifest["channels"], manifest["dtype"]
    return Shards(folder, split, counts, sizes, *form, paired, kind=manifest["kind"])


def reopen_shards(saved: Mapping[str, Any]) -> Shards:
    """The shards that a run began with, from the fields of `Shards`.

    Raises:
        RunError: they are damaged, or others now.
    """
    shards, before = open_shards(saved["folder"], saved["split"]), Shards(**saved)
    for name in ("side", "channels", "dtype", "paired", "counts", "sizes"):
        if getattr(shards, name) != getattr(before, name):
            raise RunError(f"{shards.folder}: its shards are not those that the run began with; begin a new one")
    shards.parts, shards.clean = before.parts, before.clean
    return shards


def parsed(record: tf.Tensor, *names: str) -> dict[str, tf.Tensor]:
    """Some of what a serialized crop holds."""
    return tf.io.parse_single_example(record, {name: tf.io.FixedLenFeature([], tf.string) for name in names})
