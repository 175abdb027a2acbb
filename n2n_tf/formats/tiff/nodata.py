"""Pixels without data: GDAL's tag names the number that they have, https://gdal.org/drivers/raster/gtiff.html."""

import contextlib
from typing import Any

import numpy as np
import tifffile

NODATA = 42113


def nodata(page: tifffile.TiffPage) -> np.generic | None:
    """What pixels without data are; None if the tag is not there, or tells no number that the page's type has.

    tifffile's own is 0 where there is none.
    """
    if NODATA not in page.tags or page.dtype is None or page.dtype.kind not in "iuf":
        return None
    text = str(page.tags[NODATA].value).strip("\0 ")
    with contextlib.suppress(ValueError, OverflowError, TypeError):
        if page.dtype.kind == "f":
            with np.errstate(over="ignore"):
                return page.dtype.type(float(text))
        number = float(text)
        if number == int(number):
            return page.dtype.type(int(text) if text.lstrip("-").isdigit() else int(number))
    return None


def masked(page: tifffile.TiffPage, numbers: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The image of a page's numbers, masked where they tell of no data; as it is if none does."""
    none = nodata(page)
    if none is None or none != none:  # what is not a number is none anyway
        return image
    mask = numbers == none
    if not mask.any():
        return image
    return np.ma.MaskedArray(image, mask if mask.ndim == image.ndim else np.broadcast_to(mask[..., None], image.shape))


def apart(given: np.ndarray, result: np.ndarray) -> np.ndarray:
    """A result whose pixels with data are not, by chance, what those without are: moved by the least there is.

    Args:
        given: the image [H, W, C], masked if some pixels have no data.
        result: made of it, of its type; where it has no data, as it was.
    """
    mask, whole = np.ma.getmaskarray(given), np.ma.getdata(result)
    for channel in range(whole.shape[-1]) if mask.any() else ():
        plane, holes = whole[..., channel], mask[..., channel]
        for none in np.unique(plane[holes]):
            plane[(plane == none) & ~holes] = _next(none)
    return np.ma.MaskedArray(whole, mask) if mask.any() else whole


def _next(number: Any) -> np.generic:
    if number.dtype.kind == "f":
        return np.nextafter(number, number.dtype.type(0) if number else number.dtype.type(1))
    return number.dtype.type(int(number) + (1 if number < np.iinfo(number.dtype).max else -1))
