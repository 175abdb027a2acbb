"""Where values pile up at the lowest or highest number of an image."""

import numpy as np

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
