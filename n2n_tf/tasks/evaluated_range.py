"""Which intensities count as 0 and 1 where images are scored."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from n2n_tf.baselines.denoiser import Baseline
from n2n_tf.config import RunError, UsageError
from n2n_tf.evaluation.protocol import TestSet
from n2n_tf.evaluation.reading import Block, stored
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import Page
from n2n_tf.formats.pixels import other_units
from n2n_tf.inference import Denoiser
from n2n_tf.value_range import Told, ValueRange, by_rule, misfit, robust_range, told_range

logger = logging.getLogger(__name__)

SAMPLES = 8  # images of each set that a range is measured on


def range_for(told: Told, denoisers: Mapping[str, Denoiser], sets: Sequence[TestSet]) -> ValueRange | None:
    """Of the images: what was said, or what the denoisers were made for."""
    found = _range_for(told, denoisers, sets)
    for each in sets:
        noisy = each.noisy if isinstance(each.noisy, Sequence) else each.clean
        if other := other_units(_stored(each.clean[0]), _stored(noisy[0]).dtype, found):
            logger.warning("%s: %s; convert one of them, or fit the results (`affine`)", each.clean[0], other)
    return found


def _range_for(told: Told, denoisers: Mapping[str, Denoiser], sets: Sequence[TestSet]) -> ValueRange | None:
    trained = [denoiser for denoiser in denoisers.values() if not isinstance(denoiser, Baseline)]  # others take any
    own = {denoiser.value_range for denoiser in trained} or {None}
    told = told_range(told)
    if told is None and len(own) > 1:
        raise UsageError(f"MODEL: made for value ranges {', '.join(map(str, own))}: say one for all with `range`")
    if told is None:
        value_range = own.pop()
        _warn_of_other_units(value_range, sets)
        return value_range
    if not isinstance(told, str):
        return told
    pages = [page for each in sets for page in _measured(each, told)[:SAMPLES]]
    first, *_ = images = [_stored(page) for page in pages]
    return robust_range(images) if told == "auto" else by_rule(told, first, getattr(pages[0], "limits", None))


def _measured(of: TestSet, rule: str) -> Sequence[Page | Block]:
    """The images that tell the units of both: the clean ones if they are of one type with the noisy ones."""
    if not isinstance(of.noisy, Sequence):
        return of.clean
    noisy, clean = (_stored(pages[0]).dtype for pages in (of.noisy, of.clean))
    if noisy == clean:
        return of.clean
    # floats have no type that tells their counts, and 32 bits hold those of 16
    told = noisy.kind in "iu" and (clean.kind == "f" or clean.itemsize == 1 or noisy.itemsize <= clean.itemsize)
    return of.noisy if told or rule == "auto" else of.clean


def _stored(page: Page | Block) -> np.ndarray:
    try:
        return stored(page)
    except UnusableImageError as error:
        raise RunError(f"{error}; no scores were written") from error


def _warn_of_other_units(value_range: ValueRange | None, sets: Sequence[TestSet]) -> None:
    """Say so if the first image of a set is likely in other units than the denoisers'."""
    for each in sets:
        page = (each.noisy if isinstance(each.noisy, Sequence) else each.clean)[0]
        image = _stored(page)
        found = misfit(image, value_range) if value_range or image.dtype.kind in "iu" else None  # dim floats are dim
        if found:
            logger.warning(
                "%s: its pixels lie from %s, the models' from %s: if they are in other units, say which of them count "
                "as 0 and 1 (`range`)", page, found, value_range or "the whole of its type",
            )  # fmt: skip
