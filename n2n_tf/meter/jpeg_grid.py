"""The 8×8 blocks that JPEG leaves."""

from collections.abc import Iterable

import numpy as np

from n2n_tf.meter.artefact import Artefact, summary
from n2n_tf.meter.images import checked

SIDE = 8
THRESHOLD = 7.0  # standard errors: the largest of 16 phases stays below 5 on 24 photographs with white noise


def jpeg_grid(images: Iterable[np.ndarray]) -> Artefact:
    """By how many standard errors the step at every eighth row or column is larger than the others.

    At each border of two columns the step |b - c| is compared with the steps |a - b| and |c - d| beside it, mean over
    the rows. The borders are put into 8 phases; value: the largest median of a phase above the others, over its
    standard error, from the median absolute deviation of the borders of the other phases. Rows likewise. JPEG of good
    quality hides under noise: see `jpeg_steps`.

    Args:
        images: float [H, W] or [H, W, C]; one at a time is held.

    Raises:
        TypeError, ValueError: as `checked`; no image.

    Source: after Wang, Sheikh, Bovik 2002 (no-reference quality of JPEG), with an error.
    """
    values, notes = [], []
    for image in checked(images):
        light = image.mean(2)
        found = [_blockiness(light), _blockiness(light.T)]
        values.append(max(score for score, _ in found))
        if values[-1] > THRESHOLD:
            notes.append(f"a grid of 8×8 blocks that begins at column {found[0][1]}, row {found[1][1]}: JPEG")
    return summary("jpeg_grid", values, THRESHOLD, notes)


def _blockiness(light: np.ndarray) -> tuple[float, int]:
    """Score of borders between columns, and the first column after a border."""
    steps = np.abs(np.diff(light, axis=1))
    usual = np.minimum(steps, 4 * np.median(steps) + 1e-6)  # an edge of the picture weighs as much as noise
    profile = usual.mean(0)
    excess = profile[1:-1] - (profile[:-2] + profile[2:]) / 2
    phases = np.arange(len(excess)) % SIDE
    if len(excess) < 4 * SIDE:
        return 0.0, 0
    medians = np.array([np.median(excess[phases == phase]) for phase in range(SIDE)])
    best = int(np.argmax(medians))
    beside = (phases - best) % SIDE
    others = excess[(beside > 1) & (beside < SIDE - 1)]
    spread = 1.4826 * np.median(np.abs(others - np.median(others)))
    error = 1.2533 * max(spread, 1e-7) / np.sqrt(np.count_nonzero(phases == best))
    return float((medians[best] - np.median(others)) / error), (best + 2) % SIDE
