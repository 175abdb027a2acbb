"""Shards of a run: those to train on, and crops of those held out."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from n2n_tf.config import RunError, UsageError
from n2n_tf.config.kinds import MOSAIC
from n2n_tf.data.fitting import Wanted
from n2n_tf.data.manifest import COMPRESSION, TRAIN, VAL, path_of, read_manifest
from n2n_tf.data.shards import Shards, open_shards
from n2n_tf.value_range import ValueRange

logger = logging.getLogger(__name__)

MOST_HELD_OUT = 32  # crops scored after each epoch


@dataclass
class HeldOut:
    """A `HeldOutSource`: some crops of shards, evenly spaced, kept in memory."""

    shards: Shards
    skipped: dict[str, str] = field(default_factory=dict)
    unit = "crops"

    def __len__(self) -> int:
        return min(MOST_HELD_OUT, len(self.shards))

    @property
    def names(self) -> list[str]:
        return self.shards.names

    @property
    def channels(self) -> int:
        return self.shards.channels

    @property
    def paired(self) -> bool:
        return self.shards.paired and not self.shards.clean

    @property
    def value_range(self) -> ValueRange | None:
        return self.shards.value_range

    @value_range.setter
    def value_range(self, value_range: ValueRange | None) -> None:
        self.shards.value_range = value_range

    def to_json(self) -> dict[str, Any]:
        return {"held_out_of": self.shards.to_json()}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], channels: int) -> "HeldOut":
        return cls(Shards.from_json(saved["held_out_of"], channels))

    def read(self, index: int) -> tuple[np.ndarray, np.int64]:
        """Crop number `index`, float32 [side, side, channels]."""
        return self._pairs[index][0], np.int64(index)

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        return self._pairs[index]

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


def training_shards(paths: Sequence[str], wanted: Wanted, flag: str) -> Shards:
    """Those to train on.

    Raises:
        UsageError: several paths, or crops of another form than is wanted.
        RunError: the shards are damaged, or none is to train on.
    """
    shards = _shards(paths, TRAIN, wanted, flag)
    if shards.side < wanted.side:
        patch = wanted.side - wanted.side % 2
        least = f"{wanted.side}" + (f" ({patch} without `flips`)" if wanted.kind == MOSAIC else "")
        raise UsageError(f"`patch_size` {patch}: wanted crops of {least}; those of {paths[0]} have {shards.side}")
    if not shards:
        raise RunError(f"{flag} {paths[0]}: none of its shards is to train on")
    shards.clean = wanted.clean and shards.paired
    if wanted.clean and not shards.clean and read_manifest(paths[0]).get("settings", {}).get("kind") == "sidd":
        raise UsageError(
            f"{flag} {paths[0]}: its crops are noisy, and noise is for clean ones: prepare them with their clean "
            "partners, prepare sidd `clean`"
        )
    return shards


def held_out_shards(paths: Sequence[str], wanted: Wanted, flag: str) -> HeldOut:
    """As `training_shards`, those that are held out."""
    shards = _shards(paths, VAL, wanted, flag)
    if not shards:
        raise RunError(f"{flag} {paths[0]}: none of its shards is held out")
    return HeldOut(shards)


def hold_out_shards(training: Shards, seed: int) -> tuple[Shards, HeldOut]:
    """Those that `prepare` held out; training shards serve for both if there are none, and we say so."""
    held_out = HeldOut(open_shards(training.folder, VAL))
    held_out.shards.clean = training.clean and held_out.shards.paired
    if not held_out:
        logger.info("no crops are held out: the scores are those of training crops")
        held_out = HeldOut(training)
    return training, held_out


def _shards(paths: Sequence[str], split: str, wanted: Wanted, flag: str) -> Shards:
    """The shards of one side of the split."""
    if len(paths) > 1:
        raise UsageError(f"{flag}: a folder of shards stands alone; got {' '.join(paths)}")
    shards = open_shards(paths[0], split)
    if (has := shards.channels) != wanted.channels:
        raise UsageError(f"`channels` {wanted.channels}: the shards of {paths[0]} have {has}; say `channels` {has}")
    if (kind := shards.kind) != wanted.kind:
        raise UsageError(f"`kind` {wanted.kind}: the shards of {paths[0]} are of kind {kind}; say `kind` {kind}")
    if wanted.picked:
        picked = " ".join(map(str, wanted.picked))
        raise UsageError(f"`channel` {picked}: shards tell no channels' names; leave it out, or say it to prepare")
    return shards
