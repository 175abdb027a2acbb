"""How strong the noise of one image is, for denoisers that must be told: also of images too small for the meters."""

import numpy as np

from n2n_tf.meter import PoissonGaussian
from n2n_tf.meter.chen import CHANNELS, SIDE, STRIDE, chen
from n2n_tf.meter.images import SIDE as LEAST
from n2n_tf.meter.images import distinct
from n2n_tf.meter.poisson_gaussian import poisson_gaussian, usual_sigma

ENOUGH = 32  # patches for each number in one: with so many Kodak's σ 25 is read as 24.4 to 24.8, with 8 as 22


def sigma_of(image: np.ndarray) -> float:
    """σ of white Gaussian noise: of colours by patch covariances, as in the paper, else by flat blocks.

    Where clipping touches all of these, of the noise as it left it: in 72 planes of dark raw blocks, an eighth to a
    third of the pixels at 0, 0.97 of the true error's (median; a tenth below 0.72).

    Args:
        image: float32 [H, W, C], in units of the value range.

    Returns:
        In the same units.

    Raises:
        ValueError: most of each block is clipped.

    Source: Chen, Zhu, Heng, ICCV 2015, the paper's reference [6]; on one channel, and on images of less than about
        240×240 pixels, it is unreliable: see `meter.level`.
    """
    whole = large_enough(distinct(image))
    height, width, channels = whole.shape
    patches = ((height - SIDE) // STRIDE + 1) * ((width - SIDE) // STRIDE + 1)
    if channels >= CHANNELS and patches >= ENOUGH * channels * SIDE**2:
        return chen(whole).sigma
    sigma = usual_sigma(whole, clipped=True)
    if sigma is None:
        raise ValueError("most of each block is clipped: say how strong the noise is (`known_sigma`)")
    return sigma


def photons_of(image: np.ndarray) -> PoissonGaussian:
    """a and s² of noise whose variance is a·x + s².

    Args:
        image: float32 [H, W, C], in units of the value range.

    Raises:
        ValueError: no block that is not clipped.
    """
    return poisson_gaussian([large_enough(distinct(image))])


def large_enough(image: np.ndarray, least: int = LEAST) -> np.ndarray:
    """An image [H, W, C], mirrored at its right and bottom where a side is shorter than this many pixels."""
    missing = [(0, max(0, least - side)) for side in image.shape[:2]]
    return np.pad(image, [*missing, (0, 0)], "reflect")
