"""Where the mosaic of a DNG lies and what its levels are, by the file's own tags."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from n2n_tf.formats import bayer
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.tiff.tags import check_pages

Area = tuple[int, int, int, int]  # top, left, height, width
ACTIVE_AREA, CFA_PATTERN, BLACK_REPEAT, BLACK_LEVEL = 50829, 33422, 50713, 50714  # DNG tags
BLACK_DELTAS = (50715, 50716)  # by column, by row
RATIONAL = 5  # TIFF's type
CFA = 32803  # photometric interpretation of a mosaic


def dng_frame(
    path: str | Path, area: Area, letters: str, black: tuple[float, ...]
) -> tuple[Area, str, tuple[float, ...]]:
    """The visible area, its pattern and its black levels as the file's tags have them, where they do."""
    with tifffile.TiffFile(path) as tiff:
        page = raw_page(tiff)
        tags = {tag.code: tag.value for tag in page.tags.values()}
        if page.sampleformat == 3:
            raise UnusableImageError("its mosaic is of floats; wanted integers, as cameras write them")
        if ACTIVE_AREA in tags:
            top, left, bottom, right = tags[ACTIVE_AREA]
            area = top, left, bottom - top, right - left
        if CFA_PATTERN in tags:
            letters = "".join("RGB"[index] if index < 3 else "?" for index in bytes(tags[CFA_PATTERN]))
        if BLACK_LEVEL in tags and letters in bayer.RED:
            black = _black_levels(page.tags[BLACK_LEVEL], tags, letters)
    return area, letters, black


def _black_levels(tag: tifffile.TiffTag, tags: Mapping[int, Any], letters: str) -> tuple[float, ...]:
    """Of each plane; the tag has them by pixels, from the corner of the visible area."""
    rows, columns = tags.get(BLACK_REPEAT, (1, 1))
    values = np.ravel(tag.value).astype(float)
    if tag.dtype == RATIONAL:
        values = values[::2] / values[1::2]
    if rows not in (1, 2) or columns not in (1, 2) or values.size != rows * columns:
        raise UnusableImageError(f"its black level repeats after {rows}×{columns} pixels; wanted 1 or 2")
    by_pixel = np.broadcast_to(values.reshape(rows, columns), (2, 2))
    for code in BLACK_DELTAS:
        if code in tags and np.any(tags[code]):
            raise UnusableImageError("its black level differs from row to row or from column to column")
    top, left = bayer.RED[letters]
    return tuple(float(by_pixel[(row + top) % 2, (column + left) % 2]) for row, column in bayer.PLANES)


def raw_page(tiff: tifffile.TiffFile) -> tifffile.TiffPage:
    """The page of a DNG that holds the mosaic: often not the first one, but below it.

    Raises:
        UnusableImageError: there is none.
    """
    check_pages(tiff)
    pages = [page.aspage() for page in tiff.pages]
    pages += [sub.aspage() for page in pages for sub in page.pages or ()]
    found = [page for page in pages if page.photometric == CFA and not page.is_reduced]
    if len(found) != 1:
        raise UnusableImageError(f"it holds {len(found)} mosaics of full size; wanted one")
    return found[0]
