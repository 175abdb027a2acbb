"""Block-matching and 3-D filtering, by its authors' package."""

import numpy as np

from n2n_tf.baselines.level import large_enough, sigma_of

LEAST = 16  # pixels: of images under 8 the package says so, at 8×8 it ends the process
NONE = 1e-6  # of the value range: σ, and the span of a colour, under which there is nothing to filter or to match
OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]])  # brightness and two colours, up to a factor


def bm3d(image: np.ndarray, sigma: float | None = None) -> np.ndarray:
    """Similar patches, stacked and filtered together; of RGB those that are similar in brightness (CBM3D).

    Assumes white Gaussian noise, the same in all channels. Images without colours are filtered as gray.

    Args:
        image: float32 [H, W, C], C of 1 or 3, in units of the value range.
        sigma: of the noise, in the same units; None: measured.

    Returns:
        float32 [H, W, C].

    Raises:
        ValueError: σ cannot be measured.

    Source: Dabov, Foi, Katkovnik, Egiazarian 2007, and "Color image denoising via sparse 3D collaborative filtering",
        ICIP 2007; Mäkinen, Azzari, Foi 2020. The package bm3d is free for non-commercial use alone; its licence asks
        for a citation.
    """
    import bm3d as package  # an extra

    sigma = sigma_of(image) if sigma is None else sigma
    if sigma < NONE:
        return image.copy()
    whole = large_enough(image.astype(np.float64), LEAST)
    if image.shape[2] > 1 and np.ptp(whole @ OPPONENT.T, axis=(0, 1)).min() > NONE:
        denoised = package.bm3d_rgb(whole, sigma)
    else:  # of a colour that is the same everywhere the former divides by 0, and ends the process
        denoised = np.stack([package.bm3d(plane, sigma) for plane in np.moveaxis(whole, -1, 0)], -1)
    return denoised[: image.shape[0], : image.shape[1]].astype(np.float32)
