"""A straight line of variance against brightness through points of known errors."""

import numpy as np

DARKEST = 0.05  # of the usual variance: a line that falls below is not followed, its weights would be without bound
ROUNDS = 8  # weights depend on the line: changes are under 1e-6 after 5


def fit(mean: np.ndarray, variance: np.ndarray, freedom: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares of variance = a·mean + b.

    A variance from n numbers has the standard error (a·mean + b)·√(2/n); errors grow with the misfit where it is
    larger.

    Args:
        mean, variance: of each point.
        freedom: n of each point.

    Returns:
        (a, b), and their covariance [2, 2].
    """
    usual = np.average(variance, weights=freedom)
    columns = np.stack([mean, np.ones_like(mean)], 1)
    values = np.array([0.0, usual])
    if np.ptp(mean) < 1e-6 * max(1e-6, np.abs(mean).max()):
        return values, np.diag([np.inf, 2 * usual**2 / freedom.sum()])
    for _ in range(ROUNDS):
        weights = freedom / 2 / at(values, mean, usual) ** 2
        covariance = np.linalg.inv(columns.T @ (columns * weights[:, None]))
        values = covariance @ (columns.T @ (weights * variance))
    misfit = np.sum(weights * (variance - columns @ values) ** 2) / max(1, len(mean) - 2)
    return values, covariance * max(1.0, misfit)


def at(values: np.ndarray, mean: np.ndarray, usual: float) -> np.ndarray:
    """The line at these brightnesses, and not below a share of what is usual."""
    return np.maximum(values[0] * mean + values[1], DARKEST * max(usual, 1e-12))


def grouped(mean: np.ndarray, variance: np.ndarray, freedom: int, groups: int) -> np.ndarray:
    """Points [groups, 3] of mean, variance and freedom: the numbers sorted by mean and cut into equal groups."""
    parts = [part for part in np.array_split(np.argsort(mean), groups) if len(part)]
    return np.array([(mean[part].mean(), variance[part].mean(), len(part) * freedom) for part in parts], float)
