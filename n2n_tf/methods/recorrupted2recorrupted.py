"""Recorrupted-to-Recorrupted: one noisy image becomes two whose noise is independent."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.methods.base import Method, squared


@keras.saving.register_keras_serializable("n2n_tf")
class Recorrupted2Recorrupted(Method):
    """loss = mean((f(y1) - y2)²) with y1 = y + √(α/(1-α))·σ·n and y2 = (y - (1-α)·y1) / α, n standard normal.

    For Gaussian noise of this σ the noise of y1 and y2 is independent, so it is Noise2Noise. The denoiser is f(y): its
    input has a little less noise than in training, 1 - α of the variance, and no draw.

    Args:
        network, seed: as for `Method`.
        sigma: σ of the images' noise, for intensities in [0, 1].
        alpha: α, in (0, 1): the larger, the noisier the input and the less noisy the target.

    Source: Pang et al. 2021, "Recorrupted-to-Recorrupted", section 3; in this form Monroy et al. 2025, "Generalized
    Recorrupted-to-Recorrupted", equation 8.
    """

    def __init__(self, network: keras.Model, sigma: float, alpha: float = 0.15, seed: int = 0, **kwargs: Any):
        super().__init__(network, seed, **kwargs)
        if not 0 < alpha < 1:
            raise ValueError(f"alpha divides the noise between two images, so it lies between 0 and 1; got {alpha}")
        self.sigma, self.alpha = sigma, alpha

    def pair(self, noisy: Any, normal: Any) -> tuple[Any, Any]:
        """y1 and y2 of the same shape."""
        noisier = noisy + math.sqrt(self.alpha / (1 - self.alpha)) * self.sigma * normal
        return noisier, (noisy - (1 - self.alpha) * noisier) / self.alpha

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        one, other = self.pair(noisy, self.drawn(noisy, tf.random.stateless_normal))
        return {"loss": squared(tf.cast(self.network(one, training=True), tf.float32) - other)}, None

    def score(self, denoise: Callable[[np.ndarray], np.ndarray], noisy: np.ndarray, seed: tf.Tensor) -> float:
        """The loss on one image."""
        one, other = self.pair(noisy, tf.random.stateless_normal(noisy.shape, seed).numpy())
        return float(np.mean(np.square(denoise(one) - other)))
