"""What sources have in common whose images are read by number, with NumPy."""

import abc
import dataclasses
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from n2n_tf.config import RunError
from n2n_tf.data.finding import listing, reason
from n2n_tf.data.seeds import shuffled
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import Page
from n2n_tf.value_range import ValueRange

logger = logging.getLogger(__name__)

MOST_HELD_OUT = 8  # images held out of `data` when there is no `val_data`
T = TypeVar("T")
S = TypeVar("S", bound="Numbered")


@dataclass
class Numbered(abc.ABC):
    """A `Source` and a `HeldOutSource` but for how an image is read, how samples are, and its list as JSON.

    Reading is bounded in memory: nothing decoded is kept.
    """

    pages: Sequence[Page]
    channels: int
    skipped: dict[str, str] = field(default_factory=dict)
    failure: RunError | None = None
    value_range: ValueRange | None = None
    paired = False  # their clean partners are not known
    parts = 1  # images in a crop
    unit = "images"
    most_held_out = MOST_HELD_OUT

    def __len__(self) -> int:
        return len(self.pages)

    @property
    def names(self) -> Sequence[Page]:
        return self.pages

    @property
    def limits(self) -> ValueRange | None:
        first = self.pages[0].limits
        return first if all(page.bits == self.pages[0].bits for page in self.pages) else None

    def check_workers(self, workers: int) -> None:
        """Any number: each takes its rows of every batch."""
        return None

    def references(self, numbers: tf.data.Dataset, first: int, seed: int, worker: int, workers: int) -> tf.data.Dataset:
        return numbers.map(lambda number: shuffled(number, len(self), seed))

    def load(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self._loaded(self.whole, 0, index)

    def load_crop(self, index: tf.Tensor, side: int, seed: tf.Tensor) -> tf.Tensor:
        """Only the window is made floats."""
        return self._loaded(self.read, side, index, side, draws_of(seed))[0]

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        return self.read(index)[0], None

    def some(self: S, chosen: Collection[int]) -> S:
        """Those of some numbers."""
        return dataclasses.replace(self, pages=[page for number, page in enumerate(self.pages) if number in chosen])

    @abc.abstractmethod
    def read(self, index: int, side: int = 0, draws: Sequence[int] = ()) -> tuple[np.ndarray, np.int64]:
        """Image number `index`, float32 [H, W, C], and the number of the image that was read.

        Args:
            index: number of the image.
            side: of a window of it, which is then all that is given; 0 for what is scored, where it is held out.
            draws: two large random numbers, which place the window.

        Raises:
            RunError: not one image can be read.
        """

    def whole(self, index: int) -> tuple[np.ndarray, np.int64]:
        """As `read`, all of it."""
        return self.read(index)

    def first(self, index: int, read: Callable[[int], T]) -> tuple[T, np.int64]:
        """What is read of image number `index`, and the number of the image that was read.

        An image that cannot be read is put down in `skipped` and its successor is read in its place, so the same index
        always gives the same image.

        Args:
            index: number of the image.
            read: reads that of a number; raises UnusableImageError or OSError.

        Raises:
            RunError: not one image can be read.
        """
        for offset in range(len(self)):
            number = (int(index) + offset) % len(self)
            try:
                return read(number), np.int64(number)
            except (UnusableImageError, OSError) as error:
                self.skipped[str(self.pages[number])] = reason(error)
        self.failure = RunError("none of the images can be read:\n" + listing(self.skipped))
        raise self.failure

    def _loaded(self, read: Callable, side: int, *given: Any) -> tuple[tf.Tensor, tf.Tensor]:
        image, number = tf.numpy_function(read, given, [tf.float32, tf.int64], False)
        image.set_shape([side or None, side or None, self.parts * self.channels])
        return image, number


def draws_of(seed: tf.Tensor) -> tf.Tensor:
    """The two numbers whose remainders place the window of `stateless_random_crop`, for `Numbered.read`."""
    return tf.random.stateless_uniform([3], seed, 0, tf.int32.max, tf.int32)[:2]


def check_list(pages: Sequence[Page], skipped: dict[str, str]) -> None:
    """Raise ValueError or TypeError if that is no saved list."""
    if not pages:
        raise ValueError("it lists no images")
    if not all(isinstance(text, str) for text in skipped.values()):
        raise TypeError("`skipped` holds more than texts")


def hold_out(images: S, seed: int) -> tuple[S, S]:
    """Some of the images, at most a tenth. Too few to spare one: the training images serve for both, and we say so."""
    count = min(images.most_held_out, len(images) // 10)
    order = np.random.default_rng(seed).permutation(len(images))
    chosen = set(order[:count].tolist() or order[: images.most_held_out].tolist())
    held_out = dataclasses.replace(images.some(chosen), skipped={})
    if not count:
        logger.info("no `val_data`, and too few %s to spare some: the scores are those of training images", images.unit)
        return images, held_out
    logger.info("no `val_data`: %d %s of `data` are held out", count, images.unit)
    return images.some(set(range(len(images))) - chosen), held_out
