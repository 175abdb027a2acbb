"""What a denoiser gains, without clean images."""

from dataclasses import dataclass

import numpy as np

TILE = 16
LEAST = 1e-9  # mean squared error that is still a PSNR: 90 dB


@dataclass(frozen=True)
class Gain:
    """Estimated mean squared error and PSNR of a denoiser on these images.

    Attributes:
        mse: mean over the images, in units of the value range squared; may fall below 0 where it is near 0.
        mse_error: standard error of the estimate: what another draw of noise would change, and the level's own error.
        psnr: mean over the images, dB at a range of 1; where one has an error not above 0, that of the mean error.
        psnr_error: standard error over the images; of one image, that of the estimate.
        before: PSNR of the noisy images.
        before_error: its standard error, likewise.
        images: how many.
        valid: whether it can be relied on.
        notes: why not, or what to know.
    """

    mse: float
    mse_error: float
    psnr: float
    psnr_error: float
    before: float
    before_error: float
    images: int
    valid: bool = True
    notes: tuple[str, ...] = ()


def gain(rows: np.ndarray, level_error: float = 0.0, notes: tuple[str, ...] = (), valid: bool = True) -> Gain:
    """Sum up the images.

    Args:
        rows: [n, 4]: MSE, its standard error, MSE of the noisy image, its standard error.
        level_error: relative, of the noise variance all images share.
        notes: as in `Gain`.
        valid: as in `Gain`.
    """
    mse, error, noisy, noisy_error = rows.T
    common = level_error * noisy.mean()
    mean, mean_error = float(mse.mean()), float(np.hypot(np.sqrt(np.sum(error**2)) / len(rows), common))
    if (mse >= LEAST).all():
        psnr = _decibels(mse, np.hypot(error, common))
    else:  # of single images it cannot be told, and 90 dB of some would lift the mean of all
        psnr = _decibels(np.array([mean]), np.array([mean_error]))
        of_all = "that of the mean error" if mean >= LEAST else "counted as 90 dB"
        notes = (*notes, f"{np.count_nonzero(mse < LEAST)} image(s) with an error not above 0: the PSNR is {of_all}")
    noise = _decibels(noisy, np.hypot(noisy_error, common))
    return Gain(mean, mean_error, *psnr, *noise, len(rows), valid, notes)


def _decibels(mse: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    used = np.maximum(mse, LEAST)
    values = -10 * np.log10(used)
    if len(values) > 1:
        return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    return float(values[0]), float(10 / np.log(10) * error[0] / used[0])


def draw_error(terms: np.ndarray, counts: np.ndarray | None = None) -> float:
    """Standard error of the mean of a map [H, W, C], as another draw of the noise would change it.

    From the differences of neighbouring tiles of 16×16 pixels: within a tile noise may be alike, and where the picture
    changes from tile to tile a bootstrap of the tiles would count that as error. The median absolute difference, so
    that edges and the borders of texture do not count; nan of an image without two tiles.

    Args:
        terms: the map.
        counts: bool, of the same shape, which of its values count; tiles of which most do are compared.
    """
    rows, columns = terms.shape[0] // TILE, terms.shape[1] // TILE
    if rows * columns < 2:
        return float("nan")
    weights = _tiles(np.ones(terms.shape, bool) if counts is None else counts)
    share = weights.mean((1, 3, 4))
    sums = (_tiles(terms) * weights).sum((1, 3, 4)) / np.maximum(weights.sum((1, 3, 4)), 1)
    means = np.where(share > 0.5, sums, np.nan)
    steps = np.concatenate([np.diff(means, axis=axis).ravel() for axis in (0, 1)])
    steps = steps[np.isfinite(steps)]
    if not steps.size:
        return float("nan")
    return float(1.4826 * np.median(np.abs(steps)) / np.sqrt(2) / np.sqrt(share.sum()))


def _tiles(terms: np.ndarray) -> np.ndarray:
    """[rows, TILE, columns, TILE, C] of a map [H, W, C]."""
    rows, columns = terms.shape[0] // TILE, terms.shape[1] // TILE
    return terms[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE, -1)
