"""Held-out crops of shards."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from n2n_tf.data.manifest import COMPRESSION, path_of
from n2n_tf.data.shards import Shards
from n2n_tf.value_range import ValueRange

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
        return self.shards.paired

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
