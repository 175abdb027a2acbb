"""TIFF files in: which of their pages are images, and the pixels of those."""

from collections.abc import Iterator
from operator import index

import numpy as np
import tifffile

from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import Page
from n2n_tf.formats.tiff.nodata import masked
from n2n_tf.formats.tiff.samples import bits_of, described, seen
from n2n_tf.formats.tiff.stack import stack_of
from n2n_tf.formats.tiff.tags import MOST_PAGES, check_pages
from n2n_tf.formats.tiff.told import significant_bits


def header(path: str) -> list[Page]:
    """Each page that is an image, no smaller copy of one and no mask; or each plane of a stack in one piece.

    Raises:
        UnusableImageError: a page is of a kind that would be misread, or a stack is damaged.
    """
    with tifffile.TiffFile(path) as tiff:
        if not tiff.pages:
            raise UnusableImageError("holds no page")
        check_pages(tiff)
        bits = significant_bits(tiff)
        if stack := stack_of(tiff):
            return [_described(path, number, stack.page, bits) for number in range(stack.planes)]
        pages = [(number, page.aspage()) for number, page in enumerate(tiff.pages)]
        if sum(len(page.subifds or ()) for _, page in pages) > MOST_PAGES:
            raise UnusableImageError(f"more than {MOST_PAGES} pages below its pages (SubIFDs); save it without")
        for number, page in pages:
            if any(not is_copy(below, page) for below in pages_below(page)):
                raise UnusableImageError(f"further images below page {number + 1} (SubIFDs); save them as pages")
        return [_described(path, number, _flat(page), bits) for number, page in pages if is_image(page)]


def read(path: str, number: int) -> np.ndarray:
    """The pixels of a page: [H, W] or [H, W, C] as stored; masked where they are none."""
    with tifffile.TiffFile(path) as tiff:
        if not tiff.pages.is_multipage and (stack := stack_of(tiff)):
            return stack.read(number)
        page = tiff.pages[number].aspage()
        stored = page.asarray()
        image = masked(page, stored, seen(page, stored))
        return np.moveaxis(image, 0, -1) if page.axes == "SYX" else image


def is_image(page: tifffile.TiffPage) -> bool:
    """It is marked neither as a smaller copy of another page nor as a mask."""
    return not (page.is_reduced or page.is_mask)


def pages_below(page: tifffile.TiffPage) -> Iterator[tifffile.TiffPage]:
    """The pages that its SubIFDs tag tells of."""
    return (below.aspage() for below in page.pages or ())


def is_copy(below: tifffile.TiffPage, page: tifffile.TiffPage) -> bool:
    """It is a smaller copy of the page above it, or a mask; not every writer of pyramids marks them."""
    smaller = below.imagelength < page.imagelength and below.imagewidth < page.imagewidth
    return smaller or not is_image(below)


def _flat(page: tifffile.TiffPage) -> tifffile.TiffPage:
    if set(page.axes) - set("YXS"):
        raise UnusableImageError(f"a page of several planes (its axes are {page.axes}); save its planes as pages")
    return page


def _described(path: str, number: int, page: tifffile.TiffPage, significant: int) -> Page:
    channels, kind, dtype = described(page)
    height, width = index(page.imagelength), index(page.imagewidth)  # of damaged tags tifffile makes texts and tuples
    return Page(path, number, height, width, channels, kind, dtype, bits_of(page, dtype, significant))
