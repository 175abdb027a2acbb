"""Images on disk, each with another of the same scene: a clean one, or a second noisy shot."""

import contextlib
import dataclasses
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from n2n_tf.config import UsageError
from n2n_tf.data.images import Images
from n2n_tf.data.numbered import draws_of
from n2n_tf.data.pairs import find_pairs
from n2n_tf.data.settings import ImageSettings
from n2n_tf.formats import readers
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import Page
from n2n_tf.formats.pixels import other_units, partner_range
from n2n_tf.value_range import ValueRange

logger = logging.getLogger(__name__)


@dataclass
class PairedImages(Images):
    """A `Source` whose crops hold the same window of both images.

    Attributes:
        partners: of `pages`, in their order.
    """

    partners: Sequence[Page] = ()
    parts = 2
    paired = True
    unit = "pairs"

    def load(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self._loaded(self.read_both, 0, index)

    def load_crop(self, index: tf.Tensor, side: int, seed: tf.Tensor) -> tf.Tensor:
        return self._loaded(self.read_both, side, index, side, draws_of(seed))[0]

    def read(self, index: int, side: int = 0, draws: Sequence[int] = ()) -> tuple[np.ndarray, np.int64]:
        both, number = self.read_both(index, side, draws)
        return both[..., : self.channels], number

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        one, other = np.split(self.read_both(index)[0], 2, -1)
        return one, other

    def read_both(self, index: int, side: int = 0, draws: Sequence[int] = ()) -> tuple[np.ndarray, np.int64]:
        """As `read`, with the partner's channels behind the image's own; a pair is passed over as one."""
        return self.first(
            index,
            lambda number: np.concatenate(
                [self._floats(number, side, draws), self._partner(number)._floats(0, side, draws)], -1
            ),
        )

    def some(self, chosen: Collection[int]) -> "PairedImages":
        partners = [page for number, page in enumerate(self.partners) if number in chosen]
        return dataclasses.replace(self, pages=super().some(chosen).pages, partners=partners)

    def to_json(self) -> dict[str, Any]:
        own = Images(self.partners, self.channels).to_json()
        return {**super().to_json(), "partners": own["pages"]}

    @classmethod
    def from_json(cls, saved: dict[str, Any], channels: int) -> "PairedImages":
        own = Images.from_json(saved, channels)
        partners = Images.from_json({"pages": saved["partners"], "skipped": {}}, channels).pages
        if len(partners) != len(own):
            raise ValueError(f"{len(own)} images with {len(partners)} partners")
        return cls(own.pages, channels, own.skipped, partners=partners)

    def warn_of_other_units(self) -> None:
        """Say so if the first partner is not in the units of its image."""
        pages = self.pages[0], self.partners[0]
        if pages[0].dtype == pages[1].dtype:
            return
        with contextlib.suppress(UnusableImageError):  # told where it is passed over
            image, partner = (readers.read(page)[..., : page.colors] for page in pages)
            if other := other_units(partner, image.dtype, self.value_range):
                logger.warning("%s: %s; say `range` dtype, or convert one of them", pages[1], other)

    def _partner(self, number: int) -> "_Partner":
        return _Partner(
            [self.partners[number]], self.channels, value_range=self.value_range, beside=self.pages[number].dtype
        )


@dataclass
class _Partner(Images):
    """An image of the same scene as another, whose header tells the type `beside`."""

    beside: str = ""

    def _range_of(self, pixels: np.ndarray) -> ValueRange | None:
        return partner_range(pixels, np.dtype(self.beside or pixels.dtype), self.value_range)


def find_paired_images(wanted: ImageSettings, smallest_side: int) -> PairedImages:
    """The images of two folders, matched by name.

    Raises:
        UsageError: `data` is not one folder.
        RunError: no pair, or pairs of different size.
    """
    if len(wanted.data) != 1:
        raise UsageError(f"`target` {wanted.target}: wants one folder in `data`; got {len(wanted.data)} paths")
    if wanted.channel:
        raise UsageError("`channel` with `target`: pairs are matched by name and page; leave it out")
    noisy, target, skipped = find_pairs(
        wanted.data[0], wanted.target, wanted.channels, smallest_side, wanted.image_kind, ("`data`", "`target`")
    )
    return PairedImages(noisy, wanted.channels, skipped, partners=target)
