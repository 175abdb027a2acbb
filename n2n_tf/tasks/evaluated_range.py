"""Which intensities count as 0 and 1 where images are scored."""

import logging
from collections.abc import Mapping, Sequence

from n2n_tf.baselines.denoiser import Baseline
from n2n_tf.config import UsageError
from n2n_tf.evaluation.protocol import TestSet
from n2n_tf.evaluation.reading import Block, stored
from n2n_tf.formats.page import Page
from n2n_tf.inference import Denoiser
from n2n_tf.value_range import Told, ValueRange, by_rule, misfit, robust_range, told_range

logger = logging.getLogger(__name__)

SAMPLES = 8  # images of each set that a range is measured on


def range_for(told: Told, denoisers: Mapping[str, Denoiser], sets: Sequence[TestSet]) -> ValueRange | None:
    """Of the images: what was said, or what the denoisers were made for."""
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
    pages = [page for each in sets for page in _in_units_of_images(each)[:SAMPLES]]
    first, *_ = images = [stored(page) for page in pages]
    return robust_range(images) if told == "auto" else by_rule(told, first, getattr(pages[0], "limits", None))


def _in_units_of_images(of: TestSet) -> Sequence[Page | Block]:
    """The clean images, or the noisy ones if the clean ones are of another type."""
    if isinstance(of.noisy, Sequence) and stored(of.noisy[0]).dtype != stored(of.clean[0]).dtype:
        return of.noisy
    return of.clean


def _warn_of_other_units(value_range: ValueRange | None, sets: Sequence[TestSet]) -> None:
    """Say so if the first image of a set is likely in other units than the denoisers'."""
    for each in sets:
        page = (each.noisy if isinstance(each.noisy, Sequence) else each.clean)[0]
        raw = isinstance(page, Block) or page.is_raw  # whose white is 1, however dark the scene
        found = None if raw and value_range is None else misfit(stored(page), value_range)
        if found:
            logger.warning(
                "%s: its pixels lie from %s, the models' from %s: if they are in other units, say which of them count "
                "as 0 and 1 (`range`)", page, found, value_range or "the whole of its type",
            )  # fmt: skip
