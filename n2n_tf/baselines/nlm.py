"""Non-local means, by scikit-image."""

import numpy as np
from skimage.restoration import denoise_nl_means

from n2n_tf.baselines.level import large_enough, sigma_of

PATCH, REACH, STRENGTH = 5, 6, 0.6  # pixels, pixels, σ: of scikit-image's example; best of some on Kodak at σ 25


def nlm(image: np.ndarray, sigma: float | None = None) -> np.ndarray:
    """The mean of the pixels around each one, weighted by how alike their patches are beyond the noise.

    Assumes white Gaussian noise, the same in all channels.

    Args:
        image: float32 [H, W, C], C of 1 or 3, in units of the value range.
        sigma: of the noise, in the same units; None: measured.

    Returns:
        float32 [H, W, C].

    Raises:
        ValueError: σ cannot be measured.

    Source: Buades, Coll, Morel, CVPR 2005; the fast form: Darbon et al. 2008; Froment 2014. scikit-image, BSD-3.
    """
    sigma = sigma_of(image) if sigma is None else sigma
    if not sigma:
        return image.copy()
    whole = large_enough(image, PATCH)
    denoised = denoise_nl_means(
        whole, PATCH, REACH, STRENGTH * sigma, fast_mode=True, sigma=sigma, channel_axis=-1, preserve_range=True
    )
    denoised = denoised.reshape(whole.shape)  # a single channel loses its axis
    return denoised[: image.shape[0], : image.shape[1]].astype(np.float32)
