"""Image quality."""

import numpy as np


def psnr(image: np.ndarray, clean: np.ndarray, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB, 10·log10(peak² / mean squared error), over all pixels and channels.

    Args:
        image, clean: of equal shape, any dtype.
        peak: largest possible intensity: 1 for floats, 255 for uint8.

    Returns:
        dB; infinite for equal images.
    """
    error = np.mean(np.square(np.asarray(image, np.float64) - np.asarray(clean, np.float64)))
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(peak**2 / error))
