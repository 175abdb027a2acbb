"""The level of white Gaussian noise from the smallest eigenvalues of the patches' covariance."""

from dataclasses import dataclass

import numpy as np

SIDE = 8  # of a patch; stride 3 as in the paper's code
STRIDE = 3
STRIPS = 8  # for the jackknife
MOST = 60_000  # patches of an image: a larger one gives every second, third, … row of them
CHANNELS = 3  # from which it can be relied on


@dataclass(frozen=True)
class Chen:
    """σ of one image.

    Attributes:
        sigma: in units of the value range.
        error: standard error, by a jackknife over 8 strips; nan if there are too few patches.
        dimensions: how many of the eigenvalues were taken as noise.
    """

    sigma: float
    error: float
    dimensions: int


def chen(image: np.ndarray) -> Chen:
    """Measure σ, given that some directions of the space of patches hold noise alone.

    With the eigenvalues in ascending order, their mean τ over the first i is taken for the largest i for which as
    many of them lie above τ as below: pure noise is symmetric about its mean, texture is not; σ = √τ. On one channel
    there may be no direction without texture: measured on Kodak, σ 5 is read up to 8 too high. Use flat blocks there.

    Args:
        image: float32 [H, W, C], in units of the value range; C of 3 or more.

    Source: Chen, Zhu, Heng, ICCV 2015, algorithm 1; the paper's reference [6].
    """
    moments = [_moments(strip) for strip in np.array_split(_patches(image), STRIPS)]
    counts, firsts, seconds = (np.array(parts) for parts in zip(*moments, strict=True))
    variance, dimensions = _noise(counts.sum(), firsts.sum(0), seconds.sum(0))
    error = np.nan
    if counts.sum() - counts.max() > 2 * firsts.shape[1]:
        parts = [
            _noise(counts.sum() - n, firsts.sum(0) - first, seconds.sum(0) - second)[0] for n, first, second in moments
        ]
        error = np.sqrt((STRIPS - 1) * np.var(parts)) / (2 * np.sqrt(max(variance, 1e-20)))
    return Chen(float(np.sqrt(max(variance, 0))), float(error), dimensions)


def _patches(image: np.ndarray) -> np.ndarray:
    """[n, 64·C], row by row."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (SIDE, SIDE), axis=(0, 1))[::STRIDE, ::STRIDE]
    windows = windows[:: -(-windows.shape[0] * windows.shape[1] // MOST)]
    return windows.reshape(-1, image.shape[2] * SIDE**2)


def _moments(patches: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    return len(patches), patches.sum(0, dtype=float), (patches.T @ patches).astype(float)


def _noise(count: int, first: np.ndarray, second: np.ndarray) -> tuple[float, int]:
    mean = first / count
    eigenvalues = np.linalg.eigvalsh(second / count - np.outer(mean, mean))
    for number in range(len(eigenvalues), 0, -1):
        part = eigenvalues[:number]
        tau = part.mean()
        if np.count_nonzero(part > tau) == np.count_nonzero(part < tau):
            return float(tau), number
    return float(eigenvalues[0]), 1
