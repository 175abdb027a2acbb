"""Lines across the whole image that return at a fixed distance."""

from collections.abc import Iterable

import numpy as np

from n2n_tf.meter.artefact import Artefact, summary
from n2n_tf.meter.images import checked

STRIPS = 8
LONGEST = 64  # period, in pixels: slower changes are the picture
THRESHOLD = 200.0  # noise alone reaches 40 in 24 photographs; Kodak's own, interpolated columns of period 2 reach 199


def periodic_lines(images: Iterable[np.ndarray]) -> Artefact:
    """How alike a wave along one axis is in 8 strips of the image, worst of all frequencies and both axes.

    Lines of a sensor have the same amplitude and phase from one side to the other; a fence in the picture has not. Of
    each strip the profile (mean along the lines of the clipped second difference) gives a complex amplitude A; value:
    the F statistic K·|mean A|² / var A, K = 8 strips.

    Args:
        images: float [H, W] or [H, W, C]; one at a time is held.

    Raises:
        TypeError, ValueError: as `checked`; no image.

    Source: F statistic of a complex mean, as in multitaper line detection (Thomson 1982).
    """
    values, notes = [], []
    for image in checked(images):
        light = image.mean(2)
        found = {"rows": _waves(light), "columns": _waves(light.T)}
        values.append(max(score for score, _ in found.values()))
        for axis, (score, period) in found.items():
            if score > THRESHOLD:
                notes.append(f"{axis} repeat every {period:.3g} pixels over the whole image")
    return summary("periodic_lines", values, THRESHOLD, notes)


def _waves(light: np.ndarray) -> tuple[float, float]:
    """F and period of the strongest wave down the image."""
    if min(light.shape) < 2 * LONGEST:
        return 0.0, 0.0
    second = np.diff(light, 2, axis=0)
    limit = 3 * 1.4826 * np.median(np.abs(second)) + 1e-7
    second = np.clip(second, -limit, limit)
    profiles = np.stack([strip.mean(1) for strip in np.array_split(second, STRIPS, axis=1)])
    window = np.hanning(profiles.shape[1])
    amplitudes = np.fft.rfft(profiles * window, axis=1)
    length = profiles.shape[1]
    first = length // LONGEST + 1
    mean = amplitudes.mean(0)[first:]
    variance = np.square(np.abs(amplitudes[:, first:] - mean)).sum(0) / (2 * (STRIPS - 1))
    usual = np.median(variance)
    score = STRIPS * np.abs(mean) ** 2 / 2 / np.maximum(variance, 0.25 * usual + 1e-20)
    best = int(np.argmax(score))
    return float(score[best]), length / (first + best)
