"""Planes of an array as images to train on, no file needed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from n2n_tf.config import RunError, UsageError
from n2n_tf.config.kinds import CHANNELS, MOSAIC, kind_by_count
from n2n_tf.data.numbered import Numbered
from n2n_tf.data.planes import Planes
from n2n_tf.data.zarr_images import TRIES, places, shown
from n2n_tf.formats.page import Page
from n2n_tf.formats.pixels import in_unit_range, numbers
from n2n_tf.value_range import is_blank


@dataclass
class Arrays(Numbered):
    """The planes of an array, read in windows. Its list is saved, its pixels are not: such a run cannot be resumed.

    A window that is blank, as beyond the edge of a mosaic of views, is passed over for another one of the same plane,
    always the same; unless `TRIES` are blank.

    Attributes:
        planes: what is read.
    """

    planes: Planes = field(kw_only=True)
    unit = "planes"
    most_held_out = 2  # scored after each epoch, which are short where one looks on

    def read(self, index: int, side: int = 0, draws: Sequence[int] = ()) -> tuple[np.ndarray, np.int64]:
        """As declared; of a large plane that is scored its middle."""
        shape = (int(side), int(side)) if side else None
        return self.first(index, lambda n: self._floats(n, shape or shown(self.pages[n]), draws))

    def whole(self, index: int) -> tuple[np.ndarray, np.int64]:
        return self.first(index, lambda n: self._floats(n, (self.pages[n].height, self.pages[n].width)))

    def samples(self, count: int) -> Iterator[np.ndarray]:
        chosen = min(count, len(self))
        for number in range(chosen):
            yield self.first(number * len(self) // chosen, lambda n: self._window(n, shown(self.pages[n])))[0]

    def to_json(self) -> dict[str, Any]:
        return {"arrays": [page.number for page in self.pages], "name": self.pages[0].path}

    @classmethod
    def from_json(cls, saved: dict[str, Any], channels: int) -> "Arrays":
        """Raises RunError: an array has gone with its process."""
        raise RunError(
            f"{saved['name']}: the images of this run were in memory, and have gone: begin a new run, whose `weights` "
            "are this one's"
        )

    def _floats(self, number: int, shape: tuple[int, int], draws: Sequence[int] = ()) -> np.ndarray:
        return in_unit_range(self._window(number, shape, draws), self.value_range)

    def _window(self, number: int, shape: tuple[int, int], draws: Sequence[int] = ()) -> np.ndarray:
        """The first window that is not blank, [H, W, C] as stored; or a blank one."""
        page, found = self.pages[number], np.zeros(1)
        for top, left in places(page, shape, TRIES, draws):
            found = self.planes.read(page.number, slice(top, top + shape[0]), slice(left, left + shape[1]))
            if not is_blank(found):
                break
        return numbers(found, self.channels)


def arrays(planes: Planes, name: str) -> Arrays:
    """A source of planes.

    Args:
        planes: all of one size; NaN and infinite pixels are filled.
        name: of what they are, for messages and the run's record.

    Raises:
        UsageError: pixels that are no intensities.
    """
    height, width, channels = planes.shape
    if planes.dtype.kind not in "buif":
        raise UsageError(f"{name}: its pixels are {planes.dtype}; wanted integers or floats")
    kind = CHANNELS if kind_by_count(channels) == MOSAIC else kind_by_count(channels)
    pages = [Page(name, number, height, width, channels, kind, planes.dtype.name) for number in range(len(planes))]
    return Arrays(pages, channels, planes=planes)
