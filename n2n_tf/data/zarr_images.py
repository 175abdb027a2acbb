"""Planes of OME-Zarr images, read in windows: of a plane of any size only the chunks that a crop lies in."""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from n2n_tf.config import RunError
from n2n_tf.data.finding import reason
from n2n_tf.data.numbered import Numbered, check_list
from n2n_tf.data.source import LARGEST_HELD_OUT
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.ome_zarr import OmeImage, open_image
from n2n_tf.formats.page import Page
from n2n_tf.formats.pixels import in_unit_range, numbers
from n2n_tf.formats.zarr_planes import check_there, planes, read_window
from n2n_tf.value_range import is_blank

logger = logging.getLogger(__name__)

TRIES = 16  # windows that are looked at for one that is not blank
# Of a plane's sides, from one window to the next: these fill a square evenly however many there are, see
# https://extremelearning.com.au/unreasonable-effectiveness-of-quasirandom-sequences/
STEPS = (0.7548776662466927, 0.5698402909980532)


@dataclass
class ZarrImages(Numbered):
    """Planes of OME-Zarr images.

    A window that is blank, as where no chunk is stored, is passed over for another one of the same plane, always the
    same; unless `TRIES` are blank.

    Attributes:
        stores: what tells the images from those of another run, by path.
        told: whether a blank window was met, which is said once.
    """

    stores: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: bool = False
    unit = "planes"

    def read(self, index: int, side: int = 0, draws: Sequence[int] = ()) -> tuple[np.ndarray, np.int64]:
        """As declared; of a large plane that is scored its middle."""
        shape = (int(side), int(side)) if side else None  # TensorFlow gives 32 bits, which areas overflow
        return self.first(index, lambda n: self._floats(n, shape or shown(self.pages[n]), draws))

    def whole(self, index: int) -> tuple[np.ndarray, np.int64]:
        return self.first(index, lambda n: self._floats(n, (self.pages[n].height, self.pages[n].width)))

    def samples(self, count: int) -> Iterator[np.ndarray]:
        """Of few large planes `count` windows, below one another."""
        chosen = min(count, len(self))
        for number in range(chosen):
            yield self.first(number * len(self) // chosen, lambda n: self._sample(n, -(-count // chosen)))[0]

    def to_json(self) -> dict[str, Any]:
        used = dict.fromkeys(page.path for page in self.pages)
        order = {path: number for number, path in enumerate(used)}
        chosen = [[order[page.path], page.number] for page in self.pages]
        return {"zarrs": {path: self.stores[path] for path in used}, "planes": chosen, "skipped": self.skipped}

    @classmethod
    def from_json(cls, saved: dict[str, Any], channels: int) -> "ZarrImages":
        chosen, skipped = saved["planes"], saved["skipped"]
        check_list(chosen, skipped)
        if any(type(number) is not int or number < 0 for plane in chosen for number in plane):
            raise ValueError("its planes are no numbers")
        there = [_reopened(path, before) for path, before in saved["zarrs"].items()]
        pages = [there[store][number] for store, number in chosen]
        logger.info(
            "%d planes of %d OME-Zarr images: axes, shapes, types and chunks are those that the run began with; their "
            "pixels are not compared", len(pages), len(there),
        )  # fmt: skip
        return cls(pages, channels, skipped, stores=saved["zarrs"])

    def _floats(self, number: int, shape: tuple[int, int], draws: Sequence[int] = ()) -> np.ndarray:
        (window,) = self._windows(number, shape, 1, draws)
        return in_unit_range(window, self.value_range)

    def _sample(self, number: int, count: int) -> np.ndarray:
        return np.concatenate(self._windows(number, shown(self.pages[number]), count))

    def _windows(self, number: int, shape: tuple[int, int], count: int, draws: Sequence[int] = ()) -> list[np.ndarray]:
        """At most `count` windows that are not blank, or a blank one; [H, W, 1] as stored.

        Args:
            number: of the plane.
            shape: of a window.
            count: wanted.
            draws: two large numbers, which place the first one; the middle without.
        """
        page, found = self.pages[number], []
        for top, left in places(page, shape, TRIES * count, draws):
            window = read_window(page, top, left, *shape)[..., None]
            if is_blank(window):
                self._tell(page)
            else:
                found.append(numbers(window, self.channels))
            if len(found) == count:
                break
        if not found:
            check_there(page.path)
        return found or [numbers(window, self.channels)]

    def _tell(self, page: Page) -> None:
        if not self.told:
            self.told = True
            logger.info("%s: windows without data, all of one value, are passed over for others of their plane", page)


def shown(page: Page) -> tuple[int, int]:
    """Height and width of what is looked at of a plane."""
    return min(page.height, LARGEST_HELD_OUT), min(page.width, LARGEST_HELD_OUT)


def described(image: OmeImage) -> dict[str, Any]:
    """What tells an image from others, but for its pixels."""
    full = image.levels[0]
    return {"axes": image.axes, "shape": [*full.shape], "dtype": full.dtype.name, "chunks": [*full.chunks]}


def places(page: Page, shape: Sequence[int], most: int, draws: Sequence[int]) -> Iterator[list[int]]:
    """Top and left of windows, spread over a plane.

    Args:
        page: of the plane.
        shape: of a window.
        most: windows.
        draws: two large numbers, which place the first one; the middle without.
    """
    rooms = [length - side + 1 for length, side in zip((page.height, page.width), shape, strict=True)]
    first = [int(draw) for draw in draws] or [(room - 1) // 2 for room in rooms]
    for number in range(min(most, math.prod(rooms))):
        yield [(at + int(number * step * room)) % room for at, step, room in zip(first, STEPS, rooms, strict=True)]


def _reopened(path: str, before: dict[str, Any]) -> list[Page]:
    """The planes of an image that a run began with.

    Raises:
        RunError: it is another one now, or cannot be read.
    """
    try:
        image = open_image(path)
        now, found = described(image), planes(image)
    except (UnusableImageError, OSError) as error:
        raise RunError(
            f"{path}: {reason(error)}; the run was begun with it: put it back, or begin a new run"
        ) from error
    if now != before:
        raise RunError(f"{path}: is another image now, {now}; the run was begun with {before}: begin a new one")
    return found
