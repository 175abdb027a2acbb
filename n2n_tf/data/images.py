"""A set of images on disk: found, checked by their headers, read one at a time."""

import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import tensorflow as tf

from n2n_tf.config import RunError
from n2n_tf.config.kinds import kind_by_count
from n2n_tf.data.finding import find_files, listing, reason
from n2n_tf.data.picking import Picked
from n2n_tf.data.seeds import shuffled
from n2n_tf.formats import readers
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import KINDS, MOSAIC, Page, kind_of
from n2n_tf.formats.pixels import check_pixels, check_type, in_unit_range, numbers
from n2n_tf.value_range import ValueRange

PAGE = tuple(field.type for field in fields(Page))  # the types of a saved page
WITHOUT_BITS = PAGE[:7]  # as earlier versions saved them
EARLIER_PAGE = (*PAGE[:5], bool)  # before pages told their kind: whether it is a raw mosaic


@dataclass
class Images:
    """A `Source`: images in files, and what was passed over with the reason.

    Reading is bounded in memory: nothing decoded is kept.
    """

    pages: Sequence[Page]
    channels: int
    skipped: dict[str, str] = field(default_factory=dict)
    failure: RunError | None = None
    value_range: ValueRange | None = None
    paired = False  # their clean partners are not known
    unit = "images"

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
        """Each takes its rows of every batch."""

    def samples(self, count: int) -> Iterator[np.ndarray]:
        count = min(count, len(self))
        chosen = (self._stored(number * len(self) // count, lambda image: None)[0] for number in range(count))
        return (numbers(image, self.channels) for image in chosen)

    def references(self, numbers: tf.data.Dataset, first: int, seed: int, worker: int, workers: int) -> tf.data.Dataset:
        return numbers.map(lambda number: shuffled(number, len(self), seed))

    def load(self, index: tf.Tensor, side: int = 0, draws: Sequence[tf.Tensor] = ()) -> tuple[tf.Tensor, tf.Tensor]:
        given = [index, side, *([draws] if side else [])]
        image, number = tf.numpy_function(self.read, given, [tf.float32, tf.int64], False)
        image.set_shape([side or None, side or None, self.channels])
        return image, number

    def load_crop(self, index: tf.Tensor, side: int, seed: tf.Tensor) -> tf.Tensor:
        """Only the window is made floats."""
        return self.load(index, side, draws_of(seed))[0]

    def to_json(self) -> dict[str, Any]:
        page_of = operator.attrgetter(*(field.name for field in fields(Page)))
        return {"pages": [page_of(page) for page in self.pages], "skipped": self.skipped}

    @classmethod
    def from_json(cls, saved: dict[str, Any], channels: int) -> "Images":
        pages, skipped = [_page(each) for each in saved["pages"]], saved["skipped"]
        if not pages:
            raise ValueError("it lists no images")
        if not all(isinstance(text, str) for text in skipped.values()):
            raise TypeError("`skipped` holds more than texts")
        return cls(pages, channels, skipped)

    def clean(self, index: int) -> None:
        """Not known."""

    def read(self, index: int, side: int = 0, draws: Sequence[int] = ()) -> tuple[np.ndarray, np.int64]:
        """Image number `index`, float32 [H, W, C], and the number of the image that was read.

        A file that cannot be decoded is put down in `skipped` and its successor is read in its place, so the
        same index always gives the same image.

        Args:
            index: number of the image.
            side: of a window of it, which is then all that is given; 0 for the whole.
            draws: two large random numbers, which place the window.

        Raises:
            RunError: not one image can be read.
        """
        image, number = self._stored(index, lambda image: check_pixels(image, self.value_range))  # whole: no luck
        part = _window(image, side, draws) if side else image
        try:
            whole = numbers(part, self.channels)  # of the part alone: seconds for each large image otherwise
        except UnusableImageError:  # the window has none
            whole = _window(numbers(image, self.channels), side, draws)
        return in_unit_range(whole, self.value_range), np.int64(number)

    def _stored(self, index: int, check: Callable[[np.ndarray], None]) -> tuple[np.ndarray, int]:
        """As `read`, but as the file has it, unless the check raises."""
        for offset in range(len(self)):
            number = (int(index) + offset) % len(self)
            page = self.pages[number]
            try:
                image = readers.read(page)[..., : page.colors]
                check(_finite(image))
                return image, number
            except (UnusableImageError, OSError) as error:
                self.skipped[str(page)] = reason(error)
        self.failure = RunError("none of the images can be read:\n" + listing(self.skipped))
        raise self.failure


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
    found, skipped, picking = [], {}, Picked(picked)
    kind = kind or kind_by_count(channels)
    for path in find_files(paths, flag):
        try:
            for page in picking.of(path, readers.pages(path)):
                unfit = _unfit(page, channels, smallest_side, kind)
                if unfit:
                    skipped[str(page)] = unfit
                else:
                    found.append(page)
        except (UnusableImageError, OSError) as error:
            skipped[path] = reason(error)
    picking.check(len(found))
    if not found:
        raise RunError(f"no usable image in {' '.join(paths)}:\n" + listing(skipped))
    picking.say()
    return Images(found, channels, skipped)


def draws_of(seed: tf.Tensor) -> tf.Tensor:
    """The two numbers whose remainders place the window of `stateless_random_crop`, for `Images.read`."""
    return tf.random.stateless_uniform([3], seed, 0, tf.int32.max, tf.int32)[:2]


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


def _unfit(page: Page, channels: int, smallest_side: int, kind: str) -> str | None:
    try:
        check_type(page.dtype)
    except UnusableImageError as error:
        return str(error)
    if page.colors != channels:
        return f"{page.colors} channel(s), wanted {channels}; train with `channels` {page.colors} for such images"
    if page.is_raw != (kind == MOSAIC):
        return f"{channels} channels that are {'a' if page.is_raw else 'no'} raw mosaic; wanted images of kind {kind}"
    if min(page.height, page.width) < smallest_side:
        return f"{page.width}×{page.height} pixels, smaller than the {smallest_side}×{smallest_side} needed"
    return None
