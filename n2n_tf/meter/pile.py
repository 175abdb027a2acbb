"""Where values pile up at the lowest or highest number of an image."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import maximum_filter, uniform_filter

WINDOW = 7  # pixels of a side, in which brightness is alike
FAR = 2.5  # σ: of noise that far from an end 0.6 % is cut off
RATIO = 4.0  # by which the count at an end exceeds what its neighbours promise


def piled(image: np.ndarray) -> tuple[float | None, float | None]:
    """The values at which an image is clipped, below and above; None where it is not.

    At an end that clips, noise that would lie beyond lies on it: the count c₀ there is far above c₁ of the next value
    that occurs, while c₁ and c₂ are alike. Counts of few photons also have c₀ > c₁, but then c₁ > c₂ as well: for a
    Poisson law c₀/c₁ = c₁/(2 c₂). So an end clips when c₀ > 4·c₁·max(1, c₁/c₂).

    Args:
        image: float32, any shape.
    """
    lowest, highest = _end(image, image.min()), _end(-image, -image.max())
    return lowest, None if highest is None else -highest


def uncut(image: np.ndarray, variance: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Which values have noise that is not cut off: those around them are, in the mean, far from an end that clips.

    By means, since single values that are far would be chosen for their noise; and not by any result, so that
    denoisers are compared on the same values.

    Args:
        image: float32 [H, W, C].
        variance: of the noise, by brightness.

    Returns:
        bool [H, W, C].
    """
    low, high = piled(image)
    around = uniform_filter(image, (WINDOW, WINDOW, 1))
    far = FAR * np.sqrt(variance(around))
    near = np.zeros(image.shape, bool) if low is None else around < low + far
    near |= False if high is None else around > high - far
    return ~maximum_filter(near, (WINDOW, WINDOW, 1)) if near.any() else ~near


def _end(image: np.ndarray, first: float) -> float | None:
    counts, end = [], first
    for _ in range(3):
        counts.append(np.count_nonzero(image == end))
        end = np.min(image, where=image > end, initial=np.inf)
        if not np.isfinite(end):
            break
    if len(counts) < 3:
        return None  # one or two values are no noise to clip
    promised = counts[1] * max(1.0, counts[1] / counts[2])
    enough = counts[0] >= 1e-5 * image.size and counts[0] > 8
    return float(first) if enough and counts[0] > RATIO * promised else None
