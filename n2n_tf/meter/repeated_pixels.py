"""Neighbours that are equal: an image made larger by repeating pixels."""

from collections.abc import Iterable

import numpy as np

from n2n_tf.meter.artefact import Artefact, summary
from n2n_tf.meter.images import checked
from n2n_tf.meter.poisson_gaussian import usual_sigma
from n2n_tf.meter.quantisation import step_of

THRESHOLD = 0.2  # share of neighbours: an image 1.25 times as large has it, one of white noise 0


def repeated_pixels(images: Iterable[np.ndarray]) -> Artefact:
    """By how much the share of equal neighbours is above what the steps between values explain.

    Two values with noise of σ, rounded to steps, are equal with probability step/(2√π σ) at the most. Values at the
    lowest and highest are not counted (clipped). Larger of the two axes.

    Args:
        images: float [H, W] or [H, W, C]; one at a time is held.

    Raises:
        TypeError, ValueError: as `checked`; no image.
    """
    values, notes = [], []
    for image in checked(images):
        step = step_of(image)
        sigma = usual_sigma(image) if step else None
        chance = min(1.0, step / (2 * np.sqrt(np.pi) * max(sigma or 0.0, 1e-9)))
        inside = (image > image.min()) & (image < image.max())
        values.append(max(_equal(image, inside), _equal(image.swapaxes(0, 1), inside.swapaxes(0, 1))) - float(chance))
        if values[-1] > THRESHOLD:
            notes.append("neighbours repeat each other: made larger without interpolation; go back to the original")
    return summary("repeated_pixels", values, THRESHOLD, notes)


def _equal(image: np.ndarray, inside: np.ndarray) -> float:
    both = inside[1:] & inside[:-1]
    equal = np.count_nonzero(both & (image[1:] == image[:-1]))
    return float(equal) / max(1, int(np.count_nonzero(both)))
