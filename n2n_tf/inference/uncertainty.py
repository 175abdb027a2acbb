"""A map of the error to expect of a denoised image, from the spread over flips and rotations and the mean error."""

import numpy as np
from scipy.ndimage import gaussian_filter

SMOOTH = 1.5  # pixels, σ of the smoothing: 8 results tell the variance of a pixel only to a third of it


def smoothed_variance(spread: np.ndarray) -> np.ndarray:
    """The shape of the map, to be scaled: the squared spread, G∗s², smoothed.

    How errors divided by the map lie, as benchmarks/uncertainty.py has it, eight Kodak images, a U-Net with 2000 steps
    of σ 25 (Gaussian errors: 0.68 within 1, 0.95 within 2):

        noise         map            all          lowest third   highest third   rank
        σ 25          as written     0.71  0.95   0.73  0.95     0.70  0.94      0.20
        σ 25          not smoothed   0.68  0.91   0.57  0.84     0.77  0.97      0.12
        Poisson 30    as written     0.73  0.95   0.77  0.97     0.70  0.94      0.25
        Poisson 30    not smoothed   0.70  0.92   0.61  0.87     0.77  0.96      0.16

    A constant added in quadrature (0.1 to 0.5 of the whole) makes the thirds worse; one shape for all channels hardly
    changes them. The spread alone is no error: its mean square is 2 to 5 % of it there.

    Args:
        spread: float32 [H, W, C], standard deviation over the 8 flips and rotations, in any units. It is used up.
    """
    np.square(spread, out=spread)
    for channel in range(spread.shape[-1]):
        spread[..., channel] = gaussian_filter(spread[..., channel], SMOOTH)
    return spread


def deviation(variance: np.ndarray, mse: float, place: tuple[slice, slice], span: float) -> np.ndarray:
    """The standard deviation to expect of denoised - clean at each pixel.

        σ² = MSE · (G∗s²) / mean(G∗s²)

    so that its mean square is the mean squared error.

    Args:
        variance: of `smoothed_variance`; it is used up.
        mse: of the denoised image in `place`, above 0, in units of the value range squared.
        place: where the error is known, all of an image or its middle.
        span: of the value range, in the image's own units.

    Returns:
        float32 [H, W, C], in the image's own units.

    Raises:
        ValueError: there is no spread.
    """
    mean = float(variance[place].mean(dtype=float))
    if not mean > 0:
        raise ValueError("what the network makes does not change with flips and rotations")
    variance *= np.float32(mse / mean)
    np.sqrt(variance, out=variance)
    variance *= np.float32(span)
    return variance
