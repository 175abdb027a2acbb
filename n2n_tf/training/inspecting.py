"""What noise the images of a run have, before it begins: whether the method fits, and what it can be judged by."""

import logging
from collections.abc import Sequence
from typing import Any

from n2n_tf.config import UnfitNoiseError
from n2n_tf.data.settings import ImageSettings
from n2n_tf.data.source import Source
from n2n_tf.inspection.images import Looked, look
from n2n_tf.inspection.measure import Part, distance_for, measure
from n2n_tf.inspection.measured import LEVEL_SHARE, one_level
from n2n_tf.inspection.report import Report
from n2n_tf.inspection.verdict import judge, patch_size, side_of, spelled
from n2n_tf.inspection.words import brief, decided
from n2n_tf.methods.base_settings import MethodSettings

logger = logging.getLogger(__name__)

IMAGES = 32
NUMBERS = 2**24  # of all images together: 5.6 megapixels of three channels, 7 seconds of a processor


def inspected(
    images: Source, settings: ImageSettings, method: MethodSettings, usual: int
) -> tuple[Report, dict[str, Any]]:
    """Measure the noise of training images that are noisy alone, say what it is, and warn where the method fails.

    Args:
        images: to train on, their value range chosen.
        settings: how they are taken.
        method: of the run.
        usual: side of its crops.

    Returns:
        What was found; and the settings, by name, that it chooses where they were left to it.

    Raises:
        UnfitNoiseError: the method has to know the noise, and it is not independent, not known, or not of one level.
    """
    looked = look(images, settings, IMAGES, NUMBERS)
    parts = measure(looked, quiet=True)
    distance = _distance(parts, looked, usual) if method.open else None
    compared = distance or method.stages or method.apart
    report = Report(looked, parts, judge(parts, looked, distance=compared or (1, 1)))
    verdict = report.verdict
    logger.info(brief(report))
    if compared:
        logger.info(decided(report))
    if compared and verdict.fits is False:
        logger.warning("%s%s", verdict.advice, f"\n  {verdict.command}" if verdict.command else "")
    if report.obstacle:
        logger.info("the best denoiser is told by `reconstruction`, not by estimated PSNR: %s", report.obstacle)
    if method.measures and report.obstacle and not distance:
        raise UnfitNoiseError(f"{method.measures}: wants independent noise that can be measured; {report.obstacle}")
    if method.measures and method.one_level and not all(part.line and one_level(part.line) for part in parts):
        raise UnfitNoiseError(
            f"{method.measures}: wants noise of one level; this one's may differ with the brightness by more than "
            f"{LEVEL_SHARE:.0%} of its variance"
        )
    if method.measures and not distance and any(part.correlated is None for part in parts):
        logger.warning("%s takes noise as independent, which too little flat area leaves open", method.measures)
    if not distance:
        return report, {}
    logger.info(
        "first pixels %s are compared, with `gamma` 0, then a plain network is taught what was learned; `correlated` "
        "off trains as if noise were independent", spelled(distance),
    )  # fmt: skip
    if method.measures:
        logger.warning("%s has no effect: noise that neighbours share has a second stage of its own", method.measures)
    left = {"refine": False} if method.measures else {}
    return report, left | {"correlated": tuple(map(float, distance)), "patch_size": patch_size(looked, distance, usual)}


def _distance(parts: Sequence[Part], looked: Looked, usual: int) -> tuple[int, int] | None:
    """From which on noise is independent; None where it is so between neighbours, and where that is not known."""
    distance = distance_for(parts)
    if distance in (None, (1, 1)):
        return None
    if not patch_size(looked, distance, usual):
        logger.warning(
            "pixels %s would have to be compared, which wants images of %d×%d pixels at least: join some",
            spelled(distance), side_of(distance), side_of(distance),
        )  # fmt: skip
        return None
    return distance
