"""Planes of OME-Zarr images, read in windows: of a plane of any size only the chunks that a crop lies in."""

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from n2n_tf.config import RunError
from n2n_tf.data.finding import reason
from n2n_tf.data.numbered import check_list
from n2n_tf.data.windowed import Windowed
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.ome_zarr import OmeImage, open_image
from n2n_tf.formats.page import Page
from n2n_tf.formats.zarr_planes import check_there, planes, read_window

logger = logging.getLogger(__name__)


@dataclass
class ZarrImages(Windowed):
    """Planes of OME-Zarr images.

    Attributes:
        stores: what tells the images from those of another run, by path.
    """

    stores: dict[str, dict[str, Any]] = field(default_factory=dict)

    def window(self, page: Page, top: int, left: int, height: int, width: int) -> np.ndarray:
        return read_window(page, top, left, height, width)[..., None]

    def check_there(self, page: Page) -> None:
        check_there(page.path)

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


def described(image: OmeImage) -> dict[str, Any]:
    """What tells an image from others, but for its pixels."""
    full = image.levels[0]
    return {"axes": image.axes, "shape": [*full.shape], "dtype": full.dtype.name, "chunks": [*full.chunks]}


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
