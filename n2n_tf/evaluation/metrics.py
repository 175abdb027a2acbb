"""Image quality."""

import numpy as np
from skimage.metrics import structural_similarity

MOST = 100.0  # dB; equal images would be infinite, and so would the mean of a set
WINDOW = 11  # side of SSIM's window in pixels; smaller images have no SSIM


def psnr(image: np.ndarray, clean: np.ndarray, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB, 10·log10(peak² / mean squared error), over all pixels and channels.

    Args:
        image, clean: of equal shape, any dtype.
        peak: largest possible intensity: 1 for floats, 255 for uint8.

    Returns:
        dB, at most `MOST`; NaN if a pixel is.

    Examples:
        >>> round(psnr(np.full((8, 8, 3), 0.6), np.full((8, 8, 3), 0.5)), 6)
        20.0
    """
    error = np.mean(np.square(np.asarray(image, np.float64) - np.asarray(clean, np.float64)))
    decibels = 20 * np.log10(peak) - 10 * np.log10(np.maximum(error, np.finfo(np.float64).tiny))
    return float(np.minimum(MOST, decibels))


def affine_fit(image: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """a·image + b, with the a and b that come nearest to the clean image: for data whose reference has another scale.

    Args:
        image, clean: of equal shape, any dtype.

    Returns:
        float64; constant, the clean image's mean, where the image is.

    Source: least squares, as in the evaluation of CARE (Weigert et al., Nature Methods 2018, supplement).
    """
    image, clean = np.asarray(image, np.float64), np.asarray(clean, np.float64)
    centered = image - image.mean()
    variance = np.mean(np.square(centered))
    slope = np.mean(centered * clean) / variance if variance > 0 else 0.0
    return slope * centered + clean.mean()


def ssim(image: np.ndarray, clean: np.ndarray, peak: float = 1.0) -> float:
    """Structural similarity: 11×11 Gaussian window of σ 1.5, K 0.01 and 0.03, valid region, mean over channels.

    Args:
        image, clean: [H, W, C] of equal shape, sides of at least `WINDOW`.
        peak: largest possible intensity: 1 for floats, 255 for uint8.

    Source: Wang et al., 2004; with the covariance of the authors' code (not the sample's).

    Examples:
        >>> clean = np.tile(np.linspace(0, 255, 16), (16, 1))[..., None]
        >>> round(ssim(clean, clean, 255), 6), ssim(255 - clean, clean, 255) < 0
        (1.0, True)
    """
    image, clean = np.asarray(image, np.float64), np.asarray(clean, np.float64)
    return float(
        structural_similarity(
            image, clean, data_range=peak, channel_axis=-1,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )
    )  # fmt: skip
