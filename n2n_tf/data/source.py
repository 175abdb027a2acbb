"""What training needs of images, wherever they are: files, shards, or what a new source reads."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from n2n_tf.config import RunError
from n2n_tf.value_range import ValueRange

LARGEST_HELD_OUT = 512  # side in pixels, so that a validation is quick whatever the images


class Listed(Protocol):
    """A list of images.

    Attributes:
        value_range: the intensities that are given as 0 and 1; None if their type says it.
        skipped: what was passed over, with the reason.
    """

    value_range: ValueRange | None
    skipped: dict[str, str]

    def __len__(self) -> int: ...

    @property
    def paired(self) -> bool:
        """Whether clean partners are there."""

    @property
    def channels(self) -> int:
        """Of each image."""

    @property
    def names(self) -> Sequence[Any]:
        """What tells the images from those of another list."""

    @property
    def unit(self) -> str:
        """What one of them is called, "images" or "crops"."""

    def to_json(self) -> dict[str, Any]:
        """What `sources.source_from_json` makes the same list of."""


class HeldOutSource(Listed, Protocol):
    """Images that are scored after each epoch."""

    def read(self, index: int) -> tuple[np.ndarray, np.int64]:
        """Image number `index`, float32 [H, W, C], and the number of the image that was read.

        Of a large one the middle is enough, `LARGEST_HELD_OUT` pixels of each side.
        """

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """What `read` gives, and its clean partner in the same form if there is one."""


class Source(Listed, Protocol):
    """Images to train on.

    Attributes:
        failure: why reading failed; inside a pipeline TensorFlow swallows the exception itself.
        parts: how many images a crop holds, one after the other in its channels: 2 if a target comes with each.
    """

    failure: RunError | None
    parts: int

    @property
    def limits(self) -> ValueRange | None:
        """All values that its images can have, where their files tell of fewer bits than the type's."""

    def check_workers(self, workers: int) -> None:
        """Raise UsageError if the images cannot be shared by so many."""

    def samples(self, count: int) -> Iterator[np.ndarray]:
        """At most `count` images, [H, W, C] as stored, evenly spaced."""

    def references(self, numbers: tf.data.Dataset, first: int, seed: int, worker: int, workers: int) -> tf.data.Dataset:
        """What `load` takes, endless, one for each global element number of this worker, from its `first` on."""

    def load(self, reference: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """An image, float32 [H, W, C], and a number of its own."""

    def load_crop(self, reference: tf.Tensor, side: int, seed: tf.Tensor) -> tf.Tensor:
        """A random window of it, float32 [side, side, parts·C]."""
