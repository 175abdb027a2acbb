"""Denoised pages as a TIFF like the one they come from: its tags, its tiles, its smaller copies made anew."""

import logging
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.tiff.packing import packed
from n2n_tf.formats.tiff.preamble import copy_blocks, preamble
from n2n_tf.formats.tiff.reader import is_image, pages_below
from n2n_tf.formats.tiff.samples import stored
from n2n_tf.formats.tiff.stack import stack_of, write_stack
from n2n_tf.formats.tiff.tags import copied_tags, copy_directories, lost_tags

logger = logging.getLogger(__name__)

KIND, REDUCED, MULTIPAGE = 254, 1, 2  # NewSubfileType and two of its bits
TILES = range(16, 4097, 16)  # sides; the standard wants multiples of 16


def write_tiff(source: str, target: Path, images: Iterator[tuple[int, np.ndarray]]) -> None:
    """Write pages in the place of those of `source`; what is no image and no copy of one is left out, and said.

    Args:
        source: the TIFF file.
        target: path to write.
        images: page number and image, [H, W, C].

    Raises:
        UnusableImageError: `source` describes its pages by what they would no longer be.
        OSError: a file cannot be read or written.
    """
    with tifffile.TiffFile(source) as old:
        if old.is_lsm or old.is_ndpi:
            name = "Zeiss LSM" if old.is_lsm else "Hamamatsu NDPI"
            raise UnusableImageError(f"{name} files are not written: they tell of places in them; save it as OME-TIFF")
        if stack := stack_of(old):
            write_stack(stack, source, target, images)
            return
        pages: list[tifffile.TiffPage] = []  # of the old file, for each page that is written
        left = 0
        before = preamble(old)
        with tifffile.TiffWriter(target, byteorder=old.byteorder, bigtiff=old.is_bigtiff, ome=False) as new:
            new.filehandle.write(before)
            for number, image in images:
                page = old.pages[number].aspage()
                left += _write_page(new, image, page)
                copies = _copies(_behind(old, number), page)
                _write_copies(new, image, copies)
                pages += [page, *copies]
        left += len(old.pages) - len(pages)
        if left and old.is_ome:
            raise UnusableImageError("its OME-XML counts thumbnails or masks, which are not written; save it without")
        copy_directories(pages, target)
        lost = sorted({name for page in pages for name in lost_tags(page)})
        lost += copy_blocks(old, target) if before else []
    if left:
        logger.info("%s: left out are %d smaller pictures or masks beside its images", source, left)
    if lost:
        logger.info("%s: left out is what tells of old pixels and their places: %s", source, ", ".join(lost))


def _write_page(new: tifffile.TiffWriter, image: np.ndarray, page: tifffile.TiffPage) -> int:
    """Write a page with the copies below it; how many pages below it are none."""
    below = list(pages_below(page))
    copies = _copies(below, page)
    kind = page.subfiletype & MULTIPAGE if KIND in page.tags else None
    _write(new, image, page, subfiletype=kind, subifds=len(copies), **copied_tags(page))
    _write_copies(new, image, copies, directories=())
    return len(below) - len(copies)


def _write_copies(
    new: tifffile.TiffWriter, image: np.ndarray, copies: Iterable[tifffile.TiffPage], **options: Any
) -> None:
    for copy in copies:
        image = reduced(image, copy.imagelength, copy.imagewidth)
        _write(new, image, copy, subfiletype=REDUCED, **copied_tags(copy, **options))


def _write(new: tifffile.TiffWriter, image: np.ndarray, page: tifffile.TiffPage, **options: Any) -> None:
    """Write one image, stored as a page is."""
    numbers, form = stored(page, image)
    data: np.ndarray | Iterator[bytes] = numbers
    if "bitspersample" in form:
        data = iter([packed(numbers, form["bitspersample"])])
        form.update(shape=numbers.shape, dtype=numbers.dtype, rowsperstrip=len(numbers))
    is_plain = image.dtype == bool or "bitspersample" in form  # then neither tiles nor compression can be written
    lossless = not is_plain and page.compression != tifffile.COMPRESSION.NONE
    tile = (page.tilelength, page.tilewidth)
    new.write(
        data,
        planarconfig="contig",
        compression="zlib" if lossless else None,
        predictor=lossless,
        tile=tile if page.is_tiled and not is_plain and all(side in TILES for side in tile) else None,
        metadata=None,
        software=False,
        **form,
        **options,
    )


def _behind(tiff: tifffile.TiffFile, number: int) -> Iterator[tifffile.TiffPage]:
    """The smaller pages that follow a page, as GDAL has its overviews; none if they may be another's too."""
    if number and is_image(tiff.pages[number - 1].aspage()):
        return
    for follower in range(number + 1, len(tiff.pages)):
        page = tiff.pages[follower].aspage()
        if is_image(page):
            return
        yield page


def _copies(pages: Iterable[tifffile.TiffPage], page: tifffile.TiffPage) -> list[tifffile.TiffPage]:
    """Those that are the page itself, in ever fewer pixels; none if two have one size, as those of channels have."""
    found = [page, *(each for each in pages if _is_like(each, page))]
    sizes = [(each.imagelength, each.imagewidth) for each in found]
    falling = all(below != above and below[0] <= above[0] and below[1] <= above[1] for above, below in pairwise(sizes))
    return found[1:] if falling else []


def _is_like(each: tifffile.TiffPage, page: tifffile.TiffPage) -> bool:
    """It has the same kind of pixels, and the same form within the rounding of its sides."""
    kinds = [(one.dtype, one.samplesperpixel, one.photometric, one.is_mask) for one in (each, page)]
    scales = each.imagelength / page.imagelength, each.imagewidth / page.imagewidth
    return kinds[0] == kinds[1] and abs(scales[0] / scales[1] - 1) <= 1 / each.imagelength + 1 / each.imagewidth


def reduced(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The mean of each of height × width cells that cover an image [H, W, C], of its dtype; without masked pixels."""
    result = np.empty((height, width, image.shape[-1]), image.dtype)
    mask = np.zeros(result.shape, bool)
    for channel in range(image.shape[-1]):  # floats of one at a time
        plane = image[..., channel]
        if np.ma.is_masked(plane):
            means, mask[..., channel] = _means_of_some(plane, height, width)
        else:
            means = _means(np.ma.getdata(plane), height, width)
        result[..., channel] = means if image.dtype.kind == "f" else np.rint(means)
    return np.ma.MaskedArray(result, mask) if mask.any() else result


def _means(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    for axis, side in enumerate((height, width)):
        edges = np.arange(side) * plane.shape[axis] // side
        sums = np.add.reduceat(plane, edges, axis, dtype=np.result_type(plane, np.float32))
        cells = np.diff(edges, append=plane.shape[axis]).astype(sums.dtype)
        plane = sums / (cells[:, None] if axis == 0 else cells)
    return plane


def _means_of_some(plane: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Those of the pixels that are not masked, and where a cell has none: there it is what a masked one is."""
    mask, numbers = np.ma.getmaskarray(plane), np.ma.getdata(plane)
    share = _means((~mask).astype(np.float32), height, width)
    whole = _means(np.where(mask, numbers.dtype.type(0), numbers), height, width)
    none = share == 0
    return np.where(none, numbers[mask][0], whole / np.where(none, 1, share)), none
