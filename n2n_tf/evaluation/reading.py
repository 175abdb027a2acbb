"""The pixels of images that are scored."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from n2n_tf.formats import readers
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import Page
from n2n_tf.formats.pixels import colors_in_unit_range, partner_range
from n2n_tf.value_range import ValueRange


@dataclass(frozen=True, eq=False)
class Block:
    """A mosaic that is there already: its name and its pixels, float32 [H, W, 1]."""

    name: str
    pixels: np.ndarray

    def __str__(self) -> str:
        return self.name


def stored(page: Page | Block) -> np.ndarray:
    """The pixels as they are stored, without alpha.

    Raises:
        UnusableImageError: it cannot be read; the text names it.
    """
    with _named(page):
        return page.pixels if isinstance(page, Block) else readers.read(page)[..., : page.colors]


def unit_pixels(
    page: Page | Block,
    value_range: ValueRange | None,
    beside: Page | Block | None = None,
    types: tuple[np.dtype, ...] | None = None,
) -> np.ndarray:
    """The pixels as float32 [H, W, C], with the value range, or that of their type, at 0 to 1.

    Args:
        page: of a `Block` the pixels as they are.
        value_range: of it, or of the image beside.
        beside: another image of the same scene, whose range is told; see `formats.pixels.partner_range`.
        types: that the pixels may have; None: any.

    Raises:
        UnusableImageError: it cannot be read, or has another type; the text names it.
    """
    image = stored(page)
    if beside:
        value_range = partner_range(image, stored(beside).dtype, value_range)
    with _named(page):
        if types and image.dtype not in types:
            raise UnusableImageError(f"{image.dtype}, which this protocol would round: `protocol` float")
        return image if isinstance(page, Block) else colors_in_unit_range(image, page.colors, value_range)


@contextlib.contextmanager
def _named(page: Page | Block) -> Iterator[None]:
    try:
        yield
    except UnusableImageError as error:
        raise UnusableImageError(f"{page}: {error}") from error
