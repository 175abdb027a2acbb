"""Denoise the images of one file, one after the other."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from n2n_tf.config.kinds import MOSAIC
from n2n_tf.files import writing
from n2n_tf.formats import readers
from n2n_tf.formats.axes import Axes
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import Page
from n2n_tf.formats.tiff.nodata import apart
from n2n_tf.formats.tiff.ome_writer import in_order
from n2n_tf.formats.writers import write_like
from n2n_tf.inference import Denoiser
from n2n_tf.tasks.beside import Beside

logger = logging.getLogger(__name__)


class Work(Protocol):
    """Denoises an image [H, W, C] of a page, and tells of the pixels done."""

    def __call__(self, page: Page, noisy: np.ndarray, advance: Callable[[float], None]) -> np.ndarray: ...


def denoise_file(
    denoiser: Denoiser,
    pages: list[Page],
    target: Path,
    advance: Callable[[float], None],
    sets: Sequence[Axes],
    beside: Beside,
) -> None:
    """Denoise the pages of one file into another of its format; sets of some of them into an OME-TIFF.

    What is measured is put in its place before the result is: where there is a result, there is what was wanted
    beside it, however the process ends.

    Raises:
        UnusableImageError, ValueError: an image that cannot be read, denoised or written.
        OSError: a file cannot be read or written.
    """
    os.makedirs(target.parent, exist_ok=True)
    by_number = {page.number: page for page in pages}
    ordered = [by_number[number] for number in in_order(sets) if number in by_number] or pages
    with writing(target) as temporary, _work(denoiser, ordered, target, beside) as work:
        images = ((page.number, _denoised(denoiser, page, work, advance, page is ordered[0])) for page in ordered)
        write_like(pages[0].path, temporary, images, sets)


@contextlib.contextmanager
def _work(denoiser: Denoiser, pages: list[Page], target: Path, beside: Beside) -> Iterator[Work]:
    """What denoises a page, and measures it where that is wanted."""
    if not (beside.report or beside.uncertainty):
        yield lambda page, noisy, advance: denoiser(noisy, advance, page.limits)
        return
    from n2n_tf.tasks.watch import Watch  # loads SciPy

    watch = Watch(denoiser, pages, target, beside)
    with watch.watching():
        yield watch


def _denoised(denoiser: Denoiser, page: Page, work: Work, advance: Callable[[float], None], first: bool) -> np.ndarray:
    """One page, [H, W, C], in its own dtype (1 bit becomes 8); alpha as it was. The first one tells the units."""
    if page.is_raw != (denoiser.kind == MOSAIC):
        wanted = f"images of {denoiser.channels} channels" if page.is_raw else "raw files"
        raise UnusableImageError(f"{'a' if page.is_raw else 'no'} raw file; this model takes {wanted}")
    image = readers.read(page)
    if image.dtype == bool:
        image = image.astype(np.uint8) * np.uint8(255)
    colors = image[..., : page.colors]
    if other := denoiser.misfit(colors) if first else None:
        logger.warning("%s: %s", page, other)
    denoised = work(page, colors, advance)
    denoised = apart(colors, denoised)
    if image.shape[-1] == page.colors:
        return denoised
    return np.ma.concatenate([denoised, image[..., page.colors :]], axis=-1)
