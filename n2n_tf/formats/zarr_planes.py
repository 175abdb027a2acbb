"""The planes of OME-Zarr images, and windows of them."""

import functools
import math
from typing import Any

import numpy as np

from n2n_tf.formats.axes import Axes
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.ome_zarr import OmeImage, open_image
from n2n_tf.formats.page import GRAY, Page
from n2n_tf.formats.zarr_place import ZarrPlace, decoded

MOST_PLANES = 2**20
MOST_CHUNK = 2**31 - 1  # bytes: what Blosc takes
MOST_OPEN = 2**10  # arrays: a plate has hundreds


def planes(image: OmeImage) -> list[Page]:
    """The YX planes of the full size of an image, in the order of its axes.

    Raises:
        UnusableImageError: too many planes, too large chunks.
    """
    full = image.levels[0]
    *others, height, width = full.shape
    if math.prod(others) > MOST_PLANES:
        raise UnusableImageError(f"{math.prod(others)} planes; at most {MOST_PLANES} are read")
    if chunk_bytes(image) > MOST_CHUNK:
        raise UnusableImageError(f"chunks of {full.chunks} pixels; at most {MOST_CHUNK} bytes are read for a window")
    form = height, width, 1, GRAY, full.dtype.name
    return [Page(image.place.path, number, *form) for number in range(math.prod(others))]


def axes(image: OmeImage) -> Axes:
    """How the planes lie along time, depth and channels."""
    sizes = image.levels[0].shape[:-2]
    letters = image.axes[:-2].upper()
    count = dict(zip(letters, sizes, strict=True)).get("C", 0)
    return Axes(letters, np.arange(math.prod(sizes)).reshape(sizes), image.channels[:count])


def chunk_bytes(image: OmeImage) -> int:
    """What is decoded at least for a window."""
    return math.prod(image.levels[0].chunks) * image.levels[0].dtype.itemsize


def read_window(plane: Page, top: int, left: int, height: int, width: int) -> np.ndarray:
    """Pixels of a rectangle of a plane, [height, width] as stored; only the chunks that it lies in are read.

    Raises:
        UnusableImageError: it cannot be decoded.
        OSError: it cannot be read.
        ValueError: the rectangle does not lie in the plane.
    """
    down, across = 0 <= top <= plane.height - height, 0 <= left <= plane.width - width
    if not (down and across and height > 0 and width > 0):
        raise ValueError(f"{height}×{width} pixels at {top}, {left}: not all in {plane.height}×{plane.width}")
    window = slice(top, top + height), slice(left, left + width)
    return decoded(lambda: _read(_full_size(plane.path), plane, window))


def check_there(path: str) -> None:
    """Raise UnusableImageError if the group is gone: zarr takes chunks that are not there for blank ones."""
    if not ZarrPlace(path).holds():
        raise UnusableImageError("is not there any more")


def _read(array: Any, plane: Page, window: tuple[slice, slice]) -> np.ndarray:
    index = np.unravel_index(plane.number, array.shape[:-2]) if array.ndim > 2 else ()
    return np.asarray(array[(*map(int, index), *window)], np.dtype(plane.dtype))  # in this machine's byte order


@functools.lru_cache(MOST_OPEN)
def _full_size(path: str) -> Any:
    """The zarr.Array of the first level; opened once for many windows."""
    image = open_image(path)
    return image.place.array(image.levels[0].path)
