"""Image quality."""

import numpy as np

MOST = 100.0  # dB; equal images would be infinite, and so would the mean of a set


def psnr(image: np.ndarray, clean: np.ndarray, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB, 10·log10(peak² / mean squared error), over all pixels and channels.

    Args:
        image, clean: of equal shape, any dtype.
        peak: largest possible intensity: 1 for floats, 255 for uint8.

    Returns:
        dB, at most `MOST`.
    """
    error = np.mean(np.square(np.asarray(image, np.float64) - np.asarray(clean, np.float64)))
    return min(MOST, float(10 * np.log10(peak**2 / max(error, np.finfo(np.float64).tiny))))
