"""BM3D for photons: between the Anscombe transformation and its exact unbiased inverse."""

import numpy as np

from n2n_tf.baselines.anscombe import restored, stabilised
from n2n_tf.baselines.bm3d import NONE, bm3d
from n2n_tf.baselines.level import photons_of

LITTLE = 0.01  # of the variance at the image's brightest: a·x under it is lost in s², and the noise taken as Gaussian


def anscombe_bm3d(image: np.ndarray, gain: float | None = None, offset: float | None = None) -> np.ndarray:
    """`bm3d` of an image whose noise has the variance a·x + s², made Gaussian of σ 1 first, and put back after.

    Where the noise does not grow with the brightness it is `bm3d` alone.

    Args:
        image: float32 [H, W, C], C of 1 or 3, in units of the value range.
        gain, offset: a and s², in the same units; measured unless both are told.

    Returns:
        float32 [H, W, C].

    Raises:
        ValueError: a and s² cannot be measured, or a that is told is not above 0.

    Source: the paper's rows "Anscombe" of Table 1; see `anscombe` and `bm3d`.
    """
    if gain is None or offset is None:
        found = photons_of(image)
        gain, offset = found.gain, found.offset
        if gain <= 0 or gain * np.percentile(image, 99) < LITTLE * abs(offset):
            return bm3d(image, found.level)
    if gain <= 0:
        raise ValueError(f"gain {gain:g}: wanted above 0; of Gaussian noise, which has none, take `bm3d`")
    stable = stabilised(image, gain, offset)
    low, span = stable.min(), np.ptp(stable)
    if span < NONE:
        return image.copy()
    denoised = bm3d(((stable - low) / span).astype(np.float32), 1 / span)
    return restored(denoised * span + low, gain, offset).astype(np.float32)
