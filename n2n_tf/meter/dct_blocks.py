"""8×8 blocks of an image as DCT coefficients: texture lies in the low frequencies, white noise in all alike."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import dct

from n2n_tf.meter.pile import piled

SIDE = 8
MOST = 40_000  # blocks of an image: a larger one gives every second, third, … row of them
CUT = 10  # u + v from which a frequency counts as high: measured on Kodak, 8 leaks texture, 11 leaves few numbers
CLASSES = 32  # of brightness, in which clipping is looked for
CLIPPED = 0.002  # share of pixels at a clipped end above which a class is left out: its variance is 1 % low

_ROWS, _COLUMNS = np.divmod(np.arange(SIDE**2), SIDE)
_BASIS = np.kron(dct(np.eye(SIDE), norm="ortho", axis=0), dct(np.eye(SIDE), norm="ortho", axis=0)).T.astype(np.float32)
HIGH = _ROWS + _COLUMNS >= CUT
LOW = ~HIGH & (_ROWS + _COLUMNS > 0)


@dataclass(frozen=True)
class DctBlocks:
    """What the variance estimators need of each block.

    Attributes:
        mean: [n, C], brightness.
        low: [n, C], mean energy of the low frequencies without the mean: noise and texture.
        high: [n, K], mean energy of the high frequencies, of C - 1 differences of channels, or of the one channel.
        at: [n, K], the brightness that belongs to `high`: its expectation is a·at + s² where noise is white.
        touched: [n, 2], share of its values on the lower and the upper end, where the image clips.
        place: [n, 2], row and column of its first pixel.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    at: np.ndarray
    touched: np.ndarray
    place: np.ndarray


def dct_blocks(image: np.ndarray) -> DctBlocks:
    """The blocks of an image, without those that lie mostly on an end where it clips.

    Of several channels only differences are kept at high frequencies: what the channels share is texture, and the grain
    of a photographed film. A unit vector u of pixels has the noise variance Σ u²·(a·x + s²) = a·Σ u²·x + s², exactly.

    Args:
        image: float32 [H, W, C].
    """
    pixels, place = _cut(image)
    touched = _touched(image, pixels)
    partly = touched.sum(1) < 0.5
    pixels, touched, place = pixels[partly], touched[partly], place[partly]
    coefficients = pixels @ _BASIS
    mean, high = coefficients[..., 0] / SIDE, coefficients[..., HIGH]
    low = np.square(coefficients[..., LOW]).mean(-1)
    if image.shape[2] > 1:
        differences = _differences(image.shape[2])
        high, at = np.einsum("kc,ncf->nkf", differences, high), mean @ (differences**2).T
        return DctBlocks(mean, low, np.square(high).mean(-1), at, touched, place)
    return DctBlocks(mean, low, np.square(high).mean(-1), mean, touched, place)


def _cut(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[n, C, 64], and where each lies."""
    height, width, channels = image.shape
    rows, columns = height // SIDE, width // SIDE
    step = -(-rows * columns // MOST)
    blocks = image[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE, channels)[::step]
    place = np.stack([*np.mgrid[0:rows:step, 0:columns]], -1).reshape(-1, 2) * SIDE
    return blocks.transpose(0, 2, 4, 1, 3).reshape(-1, channels, SIDE**2), place


def _touched(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """[n, 2], the share of each block's values that lie on the lower and on the upper end, where these clip."""
    ends = piled(image)
    none = np.zeros(len(pixels))
    return np.stack([none if end is None else (pixels == end).mean((1, 2)) for end in ends], 1)


def unclipped(found: DctBlocks, chosen: np.ndarray) -> np.ndarray:
    """Those of the chosen blocks whose brightness clipping does not touch; to judge blocks singly would be a selection.

    Args:
        found: all blocks.
        chosen: numbers of those that are flat.
    """
    keep = np.ones(len(chosen), bool)
    for end, brightness in enumerate((found.mean[chosen].min(1), found.mean[chosen].max(1))):
        if found.touched[chosen, end].any():
            for group in np.array_split(np.argsort(brightness), min(CLASSES, len(chosen))):
                keep[group] &= found.touched[chosen[group], end].mean() <= CLIPPED
    return chosen[keep]


def _differences(channels: int) -> np.ndarray:
    """[C - 1, C]: orthonormal rows, each of sum 0 (Helmert)."""
    rows = np.zeros((channels - 1, channels), np.float32)
    for row in range(1, channels):
        rows[row - 1, :row] = 1
        rows[row - 1, row] = -row
        rows[row - 1] /= np.sqrt(row * (row + 1))
    return rows
