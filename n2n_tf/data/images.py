"""A set of images on disk: found, checked by their headers, read one at a time."""

import operator
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from n2n_tf.config.kinds import kind_by_count
from n2n_tf.data.finding import find_files
from n2n_tf.data.fitting import Wanted, fitting
from n2n_tf.data.numbered import Numbered, check_list
from n2n_tf.formats import readers
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import KINDS, MOSAIC, Page, kind_of
from n2n_tf.formats.pixels import check_pixels, in_unit_range, numbers
from n2n_tf.value_range import ValueRange

PAGE = tuple(field.type for field in fields(Page))  # the types of a saved page
WITHOUT_BITS = PAGE[:7]  # as earlier versions saved them
EARLIER_PAGE = (*PAGE[:5], bool)  # before pages told their kind: whether it is a raw mosaic


class Images(Numbered):
    """Images in files, each decoded whole, and what was passed over with the reason."""

    def samples(self, count: int) -> Iterator[np.ndarray]:
        count = min(count, len(self))
        chosen = (self.first(number * len(self) // count, self._stored)[0] for number in range(count))
        return (numbers(image, self.channels) for image, _ in chosen)

    def to_json(self) -> dict[str, Any]:
        page_of = operator.attrgetter(*(field.name for field in fields(Page)))
        return {"pages": [page_of(page) for page in self.pages], "skipped": self.skipped}

    @classmethod
    def from_json(cls, saved: dict[str, Any], channels: int) -> "Images":
        pages, skipped = [_page(each) for each in saved["pages"]], saved["skipped"]
        check_list(pages, skipped)
        return cls(pages, channels, skipped)

    def read(self, index: int, side: int = 0, draws: Sequence[int] = ()) -> tuple[np.ndarray, np.int64]:
        return self.first(index, lambda number: self._floats(number, side, draws))

    def _floats(self, number: int, side: int, draws: Sequence[int]) -> np.ndarray:
        image, finite = self._stored(number)
        value_range = self._range_of(finite)
        check_pixels(finite, value_range)  # of the whole: no luck
        part = _window(image, side, draws) if side else image
        try:
            filled = numbers(part, self.channels)  # of the part alone: seconds for each large image otherwise
        except UnusableImageError:  # the window has none
            filled = _window(numbers(image, self.channels), side, draws)
        return in_unit_range(filled, value_range)

    def _range_of(self, pixels: np.ndarray) -> ValueRange | None:
        return self.value_range

    def _stored(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """As the file has it; and those of its pixels that are numbers."""
        page = self.pages[number]
        image = readers.read(page)[..., : page.colors]
        return image, _finite(image)


def find_images(
    paths: Iterable[str], channels: int, smallest_side: int = 1, flag: str = "`data`", kind: str | None = None,
    picked: Sequence[str | int] = (),
) -> Images:  # fmt: skip
    """Find the images under folders (recursively), globs and files, and check their headers.

    Args:
        paths: folders, globs or files.
        channels: wanted, alpha not counted; others are skipped.
        smallest_side: in pixels; smaller images are skipped.
        flag: where the paths come from, for the error.
        kind: wanted, a name of `KINDS`; by the channels if it is not told.
        picked: names or numbers, from 1, of the channels of stacks whose planes are taken; all if there are none.

    Raises:
        UsageError: a path does not exist, or no file has the channels.
        RunError: no usable image; the text lists the reasons.
    """
    wanted = Wanted(channels, kind or kind_by_count(channels), smallest_side, picked)
    return wanted_images(paths, wanted, flag)


def wanted_images(paths: Iterable[str], wanted: Wanted, flag: str) -> Images:
    """As `find_images`."""
    pages, skipped = fitting(find_files(paths, flag), readers.pages, readers.axes, wanted, paths)
    return Images(pages, wanted.channels, skipped)


def _page(saved: list[Any]) -> Page:
    if tuple(map(type, saved)) == EARLIER_PAGE:
        saved = [*saved[:5], MOSAIC if saved[5] else kind_of(saved[4]), ""]
    is_page = tuple(map(type, saved)) in (PAGE, WITHOUT_BITS) and "\0" not in saved[0] and saved[5] in KINDS
    if not is_page or min(saved[1] + 1, *saved[2:5]) <= 0:
        raise ValueError(f"no image: {str(saved)[:80]}")
    return Page(*saved[:5], *map(sys.intern, saved[5:7]), *saved[7:])  # there may be millions


def _finite(image: np.ndarray) -> np.ndarray:
    """The image, or those of its pixels that are numbers.

    Raises:
        UnusableImageError: a channel has none.
    """
    missing = np.ma.getmaskarray(image) if isinstance(image, np.ma.MaskedArray) else None
    if image.dtype.kind == "f":
        missing = ~np.isfinite(np.ma.getdata(image)) | (False if missing is None else missing)
    if missing is None or not missing.any():
        return image
    if missing.all(axis=(0, 1)).any():
        raise UnusableImageError("the image has no pixel that is a number")
    return np.ma.getdata(image)[~missing]


def _window(image: np.ndarray, side: int, draws: Sequence[int]) -> np.ndarray:
    top, left = (int(draw) % (length - side + 1) for draw, length in zip(draws, image.shape[:2], strict=True))
    return image[top : top + side, left : left + side]
