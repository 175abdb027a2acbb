"""What noise the images of a run have, before it begins: whether the method fits, and what it can be judged by."""

import logging

from n2n_tf.data.settings import ImageSettings
from n2n_tf.data.source import Source
from n2n_tf.inspection.images import look
from n2n_tf.inspection.measure import measure
from n2n_tf.inspection.report import Report
from n2n_tf.inspection.verdict import judge
from n2n_tf.inspection.words import brief

logger = logging.getLogger(__name__)

IMAGES = 32
NUMBERS = 2**24  # of all images together: 5.6 megapixels of three channels, 7 seconds of a processor


def inspected(images: Source, settings: ImageSettings, distance: int) -> Report:
    """Measure the noise of training images that are noisy alone, say what it is, and warn where the method fails.

    Args:
        images: to train on, their value range chosen.
        settings: how they are taken.
        distance: between the pixels that the method compares.
    """
    looked = look(images, settings, IMAGES, NUMBERS)
    parts = measure(looked, quiet=True)
    report = Report(looked, parts, judge(parts, looked, distance=distance))
    verdict = report.verdict
    logger.info(brief(report))
    if verdict.fits is False:
        logger.warning("%s%s", verdict.advice, f"\n  {verdict.command}" if verdict.command else "")
    if report.obstacle:
        logger.info("the best denoiser is told by `reconstruction`, not by estimated PSNR: %s", report.obstacle)
    return report
