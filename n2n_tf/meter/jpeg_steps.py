"""The steps to which JPEG rounds the frequencies of 8×8 blocks."""

from collections.abc import Iterable

import numpy as np
from scipy.fft import dctn

from n2n_tf.meter.artefact import Artefact, summary
from n2n_tf.meter.images import checked

SIDE = 8
MOST = 6_000  # blocks looked at
FEWEST = 100  # coefficients beyond the first step, to judge a frequency by
STEPS = np.arange(3, 41)  # of 255; finer ones drown in the rounding of the decoded pixels
THRESHOLD = 0.4  # mean cosine: 1 for coefficients on the steps, 0.8 after rounding to 8 bits at step 3, 0 without steps
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of JPEG (JFIF)


def jpeg_steps(images: Iterable[np.ndarray]) -> Artefact:
    """How closely the DCT coefficients of 8×8 blocks lie on multiples of a step.

    For the frequencies (u, v) with u + v from 1 to 4 and each step q, the mean of cos(2πc/q) over the coefficients c
    beyond q/2; value: the median over the frequencies of the largest. Needs blocks that begin where JPEG's did (an
    image that was not cropped) and a value range of 0 to 255 before division.

    Args:
        images: float [H, W] or [H, W, C], in units of the value range; one at a time is held.

    Raises:
        TypeError, ValueError: as `checked`; no image.

    Source: after Fan and de Queiroz 2003, JPEG history from the histogram of coefficients.
    """
    values, notes = [], []
    for image in checked(images):
        luma = (image @ LUMA if image.shape[2] == 3 else image[..., 0]) * 255
        values.append(_on_steps(luma))
        if values[-1] > THRESHOLD:
            notes.append("the image was saved as JPEG: its noise is no longer independent; go back to the original")
    return summary("jpeg_steps", values, THRESHOLD, notes)


def _on_steps(luma: np.ndarray) -> float:
    rows, columns = (side // SIDE for side in luma.shape)
    step = -(-rows * columns // MOST)
    blocks = luma[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE)[::step].swapaxes(1, 2)
    coefficients = dctn(blocks.reshape(-1, SIDE, SIDE), axes=(1, 2), norm="ortho")
    frequencies = [(u, v) for u in range(5) for v in range(5) if 1 <= u + v <= 4]
    best = [_closest(coefficients[:, u, v]) for u, v in frequencies]
    judged = [value for value in best if value is not None]
    return float(np.median(judged)) if len(judged) > len(frequencies) / 2 else 0.0


def _closest(values: np.ndarray) -> float | None:
    """The largest mean cosine of all steps; None with too few coefficients."""
    found = []
    for step in STEPS:
        beyond = values[np.abs(values) > step / 2]
        if len(beyond) >= FEWEST:
            found.append(float(np.cos(2 * np.pi / step * beyond).mean()))
    return max(found) if found else None
