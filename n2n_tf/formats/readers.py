"""Image files to arrays, by the table of formats."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from n2n_tf.formats.axes import Axes
from n2n_tf.formats.errors import MAX_PIXELS, UnusableImageError
from n2n_tf.formats.page import COLORS, Page
from n2n_tf.formats.pixels import colors_of
from n2n_tf.formats.table import format_of


def pages(path: str | Path) -> list[Page]:
    """The images of a file, from its headers alone: all pages or planes of a TIFF; else one, and no animation.

    Raises:
        UnusableImageError: the file is empty, of no known format, of an unknown colour model or too large.
        OSError: the file cannot be opened.
    """
    found: list[Page] = _decoded(format_of(path).header, path)
    if not found:
        raise UnusableImageError("holds no image of full size, only reduced ones or masks")
    for page in found:
        if page.height * page.width * (4 if page.is_raw else 1) > MAX_PIXELS:
            raise UnusableImageError(f"{page.width}×{page.height} pixels; at most {MAX_PIXELS} are read")
    return found


def axes(path: str | Path) -> list[Axes]:
    """How the images of a file lie along time, depth and channels: for each set of planes; none for other formats.

    Raises:
        UnusableImageError, OSError: as `pages`.
    """
    described = format_of(path).axes
    return _decoded(described, path) if described else []


def read(page: Page) -> np.ndarray:
    """Decode one image.

    Returns:
        [H, W, C] of the type that is stored; C counts alpha. Planes of raw: float32, black 0, white 1. Where the file
        tells which pixels have no data, and some have none, a masked array.

    Raises:
        UnusableImageError: it cannot be decoded, or is not what its header said.
        OSError: the file cannot be read.
    """
    image = _decoded(format_of(page.path).read, page.path, page.number)
    image = image[..., None] if image.ndim == 2 else image
    colors = colors_of(image.shape[-1]) if page.kind in COLORS else image.shape[-1]
    if (*image.shape[:2], colors) != (page.height, page.width, page.colors):
        raise UnusableImageError(f"the header says {(page.height, page.width, page.channels)}, decoded {image.shape}")
    return image


def _decoded(function: Callable, path: str | Path, *args: int) -> Any:
    """Call a codec; whatever it makes of a broken file becomes one kind of error."""
    try:
        return function(str(path), *args)
    except UnusableImageError:
        raise
    except Exception as error:  # codecs raise SyntaxError, struct.error, ValueError and many more
        io_error = isinstance(error, OSError) and error.errno is not None
        raise error if io_error else UnusableImageError(f"cannot be decoded: {error}") from error
