"""Steps between values that are coarser than the noise."""

from collections.abc import Iterable

import numpy as np

from n2n_tf.meter.artefact import Artefact, summary
from n2n_tf.meter.images import checked
from n2n_tf.meter.poisson_gaussian import usual_sigma

THRESHOLD = 2.0  # step / σ: above, rounding's error depends on the signal, by exp(-2π²σ²/step²) = 0.7 % of a step here
SAMPLE = 100_000  # values that are sorted
SAME = 1e-6  # difference between values that float32 leaves of equal ones


def step_of(image: np.ndarray) -> float:
    """The smallest step between values that is usual in an image; 0 where there is none.

    Args:
        image: float32, any shape.
    """
    values = image.ravel()
    different = np.unique(values[:: -(-len(values) // SAMPLE)])
    gaps = np.diff(different)
    gaps = gaps[gaps > SAME]
    if len(gaps) < 2 or len(different) > 0.2 * min(len(values), SAMPLE):
        return 0.0
    return float(np.quantile(gaps, 0.1))


def quantisation(images: Iterable[np.ndarray]) -> Artefact:
    """The step between the values of an image, in units of σ of its noise.

    0 without steps, or where clipping leaves nothing to measure. Below 2 rounding is like more noise, of variance
    step²/12. Above, equal neighbours have equal errors: noise is no longer independent of the signal and between
    pixels, and a smooth result shows bands. An image without noise is above it too.

    Args:
        images: float [H, W] or [H, W, C]; one at a time is held.

    Raises:
        TypeError, ValueError: as `checked`; no image.

    Source: Widrow and Kollár, Quantization Noise, 2008: the quantising theorem.
    """
    values, notes = [], []
    for image in checked(images):
        step = step_of(image)
        sigma = usual_sigma(image) if step else None
        values.append(0.0 if sigma is None else step / max(sigma, step / 100))
        if values[-1] > THRESHOLD:
            notes.append(f"steps of {step:.4g} where the noise has σ {sigma:.4g}: keep more bits")
    return summary("quantisation", values, THRESHOLD, notes)
