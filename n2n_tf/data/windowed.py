"""Sources of large planes, read in windows."""

import abc
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from n2n_tf.data.numbered import Numbered
from n2n_tf.data.source import LARGEST_HELD_OUT
from n2n_tf.formats.page import Page
from n2n_tf.formats.pixels import in_unit_range, numbers
from n2n_tf.value_range import is_blank

logger = logging.getLogger(__name__)

TRIES = 16  # windows that are looked at for one that is not blank
# Of a plane's sides, from one window to the next: these fill a square evenly however many there are, see
# https://extremelearning.com.au/unreasonable-effectiveness-of-quasirandom-sequences/
STEPS = (0.7548776662466927, 0.5698402909980532)


@dataclass
class Windowed(Numbered):
    """A source but for how a window is read, and its list as JSON.

    A window that is blank, as where no chunk is stored or beyond the edge of a mosaic of views, is passed over for
    another one of the same plane, always the same; unless `TRIES` are blank.

    Attributes:
        told: whether a blank window was met, which is said once.
    """

    told: bool = False
    unit = "planes"

    @abc.abstractmethod
    def window(self, page: Page, top: int, left: int, height: int, width: int) -> np.ndarray:
        """A window of a plane, [H, W, C] as stored."""

    def check_there(self, page: Page) -> None:
        """Look at a plane that seems blank.

        Raises:
            OSError: it cannot be read.
        """
        return None

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

    def _floats(self, number: int, shape: tuple[int, int], draws: Sequence[int] = ()) -> np.ndarray:
        (window,) = self._windows(number, shape, 1, draws)
        return in_unit_range(window, self.value_range)

    def _sample(self, number: int, count: int) -> np.ndarray:
        return np.concatenate(self._windows(number, shown(self.pages[number]), count))

    def _windows(self, number: int, shape: tuple[int, int], count: int, draws: Sequence[int] = ()) -> list[np.ndarray]:
        """At most `count` windows that are not blank, or a blank one; [H, W, C] as stored.

        Args:
            number: of the plane.
            shape: of a window.
            count: wanted.
            draws: two large numbers, which place the first one; the middle without.
        """
        page, found = self.pages[number], []
        for top, left in _places(page, shape, TRIES * count, draws):
            window = self.window(page, top, left, *shape)
            if is_blank(window):
                self._tell(page)
            else:
                found.append(numbers(window, self.channels))
            if len(found) == count:
                break
        if not found:
            self.check_there(page)
        return found or [numbers(window, self.channels)]

    def _tell(self, page: Page) -> None:
        if not self.told:
            self.told = True
            logger.info("%s: windows without data, all of one value, are passed over for others of their plane", page)


def shown(page: Page) -> tuple[int, int]:
    """Height and width of what is looked at of a plane."""
    return min(page.height, LARGEST_HELD_OUT), min(page.width, LARGEST_HELD_OUT)


def _places(page: Page, shape: Sequence[int], most: int, draws: Sequence[int]) -> Iterator[list[int]]:
    """Top and left of windows, spread over a plane."""
    rooms = [length - side + 1 for length, side in zip((page.height, page.width), shape, strict=True)]
    first = [int(draw) for draw in draws] or [(room - 1) // 2 for room in rooms]
    for number in range(min(most, math.prod(rooms))):
        yield [(at + int(number * step * room)) % room for at, step, room in zip(first, STEPS, rooms, strict=True)]
