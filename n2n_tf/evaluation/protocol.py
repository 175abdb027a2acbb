"""The paper's test protocol, as the authors' code has it."""

from collections.abc import Callable, Sequence

import numpy as np

from n2n_tf.evaluation.metrics import psnr
from n2n_tf.evaluation.pictures import to_uint8
from n2n_tf.inference import SIDE_MULTIPLE

SEED = 101  # of NumPy's legacy generator, set once before a list of sets


def paper_psnr(
    denoiser: Callable[[np.ndarray], np.ndarray], images: Sequence[np.ndarray], sigma: float
) -> tuple[float, float]:
    """Mean PSNR of a set under Gaussian noise, one draw for each image.

    Noise from NumPy's legacy generator with seed 101 in float64; reflect padding at the right and the bottom to a
    square whose side is a multiple of 32; result clipped and rounded to 8 bits; PSNR over all channels at peak 255.

    Args:
        denoiser: float32 [1, S, S, C] -> [1, S, S, C].
        images: clean, uint8 [H, W, C], in the order in which noise is drawn.
        sigma: standard deviation, 0-255.

    Returns:
        Mean PSNR in dB, of the noisy images (not rounded) and of the denoised ones.
    """
    generator = np.random.RandomState(SEED)
    scores = []
    for clean in images:
        unit = clean.astype(np.float32) / 255
        noisy = (unit + generator.normal(size=clean.shape) * sigma / 255).astype(np.float32)
        height, width = clean.shape[:2]
        side = -(-max(height, width) // SIDE_MULTIPLE) * SIDE_MULTIPLE
        square = np.pad(noisy, ((0, side - height), (0, side - width), (0, 0)), "reflect")
        denoised = np.asarray(denoiser(square[None]))[0, :height, :width]
        scores.append((psnr(noisy, unit), psnr(to_uint8(denoised), clean, 255)))
    noisy_mean, denoised_mean = np.mean(scores, axis=0)
    return float(noisy_mean), float(denoised_mean)
