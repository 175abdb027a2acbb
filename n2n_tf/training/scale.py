"""Which intensities of the training images count as 0 and 1."""

import itertools
import logging
from collections.abc import Sequence

import numpy as np

from n2n_tf.config import RunError
from n2n_tf.config.kinds import CHANNELS
from n2n_tf.data.settings import ImageSettings
from n2n_tf.data.source import Source
from n2n_tf.formats.pixels import check_pixels
from n2n_tf.value_range import ROBUST, ValueRange, range_of_type, robust_range

logger = logging.getLogger(__name__)

SAMPLES = 32  # images that a range is measured on
VERY_DIFFERENT = 8.0  # times wider: worth a word


def choose_range(wanted: ImageSettings, images: Source) -> ValueRange | None:
    """The range of a run, by its settings; says which, and why.

    Returns:
        None if the type of each image says it: 8 and 16 bits are divided by their largest value, floats are in [0, 1].
        Images of n channels always have one.

    Raises:
        RunError: no image can be read, or all pixels are equal.
    """
    if wanted.limits or wanted.is_mosaic:  # of a mosaic black is 0 and white 1
        found, why = wanted.limits and ValueRange(*wanted.limits), "as given" if wanted.limits else ""
    else:
        measured = list(images.samples(SAMPLES))
        found, why = _measured(measured, wanted.range[0] == "auto", images.unit)
        if images.limits and (found is None or wanted.range[0] == "dtype"):
            found, why = images.limits, "all that the files' bits hold"
        if found is None and wanted.image_kind == CHANNELS:  # a denoiser of 4 without one would be of mosaics
            found, why = _whole(measured)
    if found:
        logger.info("value range %s: %s; values beyond it are kept", found, why)
    elif why:
        logger.info(why)
    return found


def _measured(samples: Sequence[np.ndarray], auto: bool, unit: str) -> tuple[ValueRange | None, str]:
    """A range, None if the types say it, and why."""
    types = {sample.dtype for sample in samples}
    eight = {dtype for dtype in types if dtype in (bool, np.uint8)}
    if auto and not eight:
        found = robust_range(samples)
        if found is None:
            raise RunError("all pixels of the training images are equal: there is nothing to learn from them")
        return found, f"{ROBUST[0]} to {ROBUST[1]} % of the pixels of {len(samples)} {unit}" + _differing(samples)
    if len(types) == 1 and (dtype := types.pop()).kind in "iu" and dtype not in (np.uint8, np.uint16):
        return range_of_type(dtype), f"all of {dtype}"
    for sample in samples:
        check_pixels(sample)
    return None, f"images of types {_listed(types)}: each is taken by the whole of its own" if len(types) > 1 else ""


def _whole(samples: Sequence[np.ndarray]) -> tuple[ValueRange, str]:
    """The range of the largest type, and why."""
    widest = max((sample.dtype for sample in samples), key=lambda dtype: range_of_type(dtype).span)
    return range_of_type(widest), f"all of {widest}"


def _differing(samples: Sequence[np.ndarray]) -> str:
    """A word on images that have very different ranges of their own."""
    ranges = [found for sample in samples if (found := robust_range([sample]))]
    for one, other in itertools.pairwise(sorted(ranges, key=lambda each: each.span)[:: max(1, len(ranges) - 1)]):
        if other.span > VERY_DIFFERENT * one.span:
            return f", whose own are as different as {one} and {other}: one for all"
    return ""


def _listed(types: set[np.dtype]) -> str:
    return ", ".join(sorted(map(str, types)))
