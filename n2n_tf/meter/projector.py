"""What taking a plane out of a block does to the correlation of the noise in it."""

from functools import lru_cache

import numpy as np

SIDE = 16
FAR = 8  # largest distance
NEAR = 5  # up to which correlation is solved for; cameras' and demosaicing's ends there
LAGS = [(down, right) for down in range(FAR + 1) for right in range(-FAR, FAR + 1) if down > 0 or right >= 0]
_NEAR = np.array([max(down, abs(right)) <= NEAR for down, right in LAGS])


def planes() -> np.ndarray:
    """Q, float [256, 3]: orthonormal, what a plane in a block is made of."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    return np.stack([np.full(SIDE**2, 1 / SIDE), *(each.ravel() / np.linalg.norm(each) for each in (rows, columns))], 1)


def correlation_of(products: np.ndarray) -> np.ndarray:
    """ρ at each of `LAGS`, from the mean products of residuals at these distances.

    Residuals have the covariance M C M with M = I - QQᵀ, C that of the noise: so the mean products are T ρ σ², with a T
    that is known. Up to distance 5 that is solved for ρ, exact for noise of that reach; what remains at 6 to 8 is
    divided by its own weight. (Solving for all of them makes three times as much of texture.)

    Args:
        products: [len(LAGS)], the first at distance 0.
    """
    matrix, inverse = _matrix(), _inverse()
    near = inverse @ products
    found = (products - matrix[:, _NEAR] @ near) / np.diag(matrix)
    found[_NEAR] = near
    return found / near[0] if near[0] > 0 else np.full(len(LAGS), np.nan)


def planes_share(rho: np.ndarray) -> float:
    """The variance left in a residual, as a multiple of what white noise of the same variance would leave.

    Args:
        rho: at each of `LAGS`.
    """
    row = _matrix()[0]
    return float(row[_NEAR] @ rho[_NEAR] / row[0])


@lru_cache(maxsize=1)
def _inverse() -> np.ndarray:
    return np.linalg.pinv(_matrix()[:, _NEAR])


@lru_cache(maxsize=1)
def _matrix() -> np.ndarray:
    """T [distance measured, distance of the noise]: mean over the pairs of M S M, S the pairs at one distance."""
    basis, numbers = planes(), np.arange(SIDE**2).reshape(SIDE, SIDE)
    matrix = np.empty((len(LAGS), len(LAGS)))
    pairs = [_pairs(numbers, lag) for lag in LAGS]
    for column, (first, second) in enumerate(pairs):
        shift = np.zeros((SIDE**2, SIDE**2))
        shift[first, second] = shift[second, first] = 1
        moved = shift @ basis
        left = moved @ basis.T
        whole = shift - left - left.T + basis @ (basis.T @ moved) @ basis.T
        matrix[:, column] = [whole[one, other].mean() for one, other in pairs]
    return matrix


def _pairs(numbers: np.ndarray, lag: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    down, right = lag
    left, end = max(0, -right), SIDE - max(0, right)
    first = numbers[: SIDE - down, left:end]
    return first.ravel(), numbers[down:, left + right : end + right].ravel()
