"""One noise of a comparison: all that is there is scored on the same draws of it."""

import logging
from collections.abc import Mapping

import numpy as np

from n2n_tf.evaluation.pictures import comparison as side_by_side
from n2n_tf.evaluation.protocol import Case, Draw, TestSet
from n2n_tf.evaluation.results import Results
from n2n_tf.formats import bayer
from n2n_tf.inference import Denoiser
from n2n_tf.tasks import NOISY
from n2n_tf.tasks.compare_scores import Scores
from n2n_tf.tasks.compare_sets import protocol_of, test_sets
from n2n_tf.tasks.comparison import Comparison
from n2n_tf.tasks.evaluate import form_of, score
from n2n_tf.tasks.record import Record

logger = logging.getLogger(__name__)


def score_noise(
    comparison: Comparison, noise: str, denoisers: Mapping[str, Denoiser], records: Mapping[str, Record],
    scores: Scores, repeats: int | None,
) -> None:  # fmt: skip
    """Put scores and a picture of denoisers, by row, into `scores`.

    Args:
        comparison: that they belong to.
        noise: its name.
        denoisers: by row.
        records: of those that need no training: what they have scored before is not done again.
        scores: of the comparison.
        repeats: noise draws for each image; None: the paper's on its sets, else 1.

    Raises:
        RunError: an image that cannot be read.
    """
    form, model = form_of(denoisers), comparison.added[noise].build()
    sets: list[TestSet] = []
    for name, where in comparison.tests.items():
        sets += test_sets(name, where, model, form, repeats)[0]
    results = scores.results[noise] = Results({})

    def wanted(name: str, draw: Draw) -> bool:
        return name not in records or records[name].wants(draw)

    def take(case: Case) -> None:
        for record in records.values():
            record.put(case)
        if not case.repeat and case.page == sets[0].clean[0]:
            kept = {name: found for name, record in records.items() if (found := record.shown(case))}
            shown = {name: (case.results[name], case.scores[name]) for name in case.scores} | kept
            pictures = {
                f"{noise if name == NOISY else name}\n{psnr:.2f} / {ssim:.3f}": _planes(result, case)
                for name in (NOISY, *denoisers) if name in shown for result, (psnr, ssim) in [shown[name]]
            }  # fmt: skip
            scores.pictures.append(side_by_side(_planes(case.clean, case), pictures, form[1]))

    for each in sets:
        protocol = protocol_of(each, model)
        if model and protocol == "float":
            logger.info("%s: more than 8 bits, scored without rounding; not as the paper's", each.name)
        score([each], denoisers, results, protocol, on_case=take, wanted=wanted)
    for name, record in records.items():
        results.rows += record.kept
        results.failed |= record.failed
        scores.minutes[noise, name] = record.minutes


def _planes(image: np.ndarray, case: Case) -> np.ndarray:
    """An image as it is shown: a mosaic as planes."""
    return bayer.pack(image[..., 0], case.set.pattern) if case.set.pattern else image
