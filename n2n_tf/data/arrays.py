"""Planes of an array as images to train on, no file needed."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from n2n_tf.config import RunError, UsageError
from n2n_tf.config.kinds import CHANNELS, MOSAIC, kind_by_count
from n2n_tf.data.planes import Planes
from n2n_tf.data.windowed import Windowed
from n2n_tf.formats.page import Page


@dataclass
class Arrays(Windowed):
    """The planes of an array. Its list is saved, its pixels are not: such a run cannot be resumed.

    Attributes:
        planes: what is read.
    """

    planes: Planes = field(kw_only=True)
    most_held_out = 2  # scored after each epoch, which are short where one looks on

    def window(self, page: Page, top: int, left: int, height: int, width: int) -> np.ndarray:
        return self.planes.read(page.number, slice(top, top + height), slice(left, left + width))

    def to_json(self) -> dict[str, Any]:
        return {"arrays": [page.number for page in self.pages], "name": self.pages[0].path}

    @classmethod
    def from_json(cls, saved: dict[str, Any], channels: int) -> "Arrays":
        """Raises RunError: an array has gone with its process."""
        raise RunError(
            f"{saved['name']}: the images of this run were in memory, and have gone: begin a new run, whose `weights` "
            "are this one's"
        )


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
