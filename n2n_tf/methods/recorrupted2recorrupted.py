"""Recorrupted-to-Recorrupted: one noisy image becomes two whose noise is independent."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.methods.base import Method, squared
from n2n_tf.noise.measured import MeasuredNoise


@keras.saving.register_keras_serializable("n2n_tf")
class Recorrupted2Recorrupted(Method):
    """loss = mean((f(y1) - y2)²) with y1 = y + √(α/(1-α))·n and y2 = y - √((1-α)/α)·n, n drawn as the noise of y.

    For Gaussian noise the noise of y1 and y2 is independent, so it is Noise2Noise; for noise whose variance depends on
    the brightness nearly so: the brightness is taken from f(y), without gradient. The denoiser is f(y): its input has a
    little less noise than in training, 1 - α of the variance, and no draw.

    Args:
        network, seed: as for `Method`.
        sigma: σ of the images' noise, for intensities in [0, 1]; or all that is known of it.
        alpha: α, in (0, 1): the larger, the noisier the input and the less noisy the target.

    Source: Pang et al. 2021, "Recorrupted-to-Recorrupted", section 3; in this form Monroy et al. 2025, "Generalized
    Recorrupted-to-Recorrupted", equation 8.
    """

    def __init__(
        self, network: keras.Model, sigma: float | MeasuredNoise, alpha: float = 0.15, seed: int = 0, **kwargs: Any
    ):
        super().__init__(network, seed, **kwargs)
        if not 0 < alpha < 1:
            raise ValueError(f"alpha divides the noise between two images, so it lies between 0 and 1; got {alpha}")
        self.sigma, self.alpha = sigma, alpha
        channels = network.output_shape[-1]
        self.noise = (
            sigma if isinstance(sigma, MeasuredNoise) else MeasuredNoise.white(np.full((channels, 1), sigma**2))
        )

    def pair(self, noisy: Any, noise: Any) -> tuple[Any, Any]:
        """y1 and y2 of the same shape, from y and n."""
        share = math.sqrt(self.alpha / (1 - self.alpha))
        return noisy + share * noise, noisy - noise / share

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        denoised = None
        if not self.noise.flat:
            denoised = tf.stop_gradient(tf.cast(self.network(noisy, training=False), tf.float32))
        normal = self.drawn(noisy, lambda shape, seed: tf.random.stateless_normal(self.noise.shape(shape), seed))
        one, other = self.pair(noisy, self.noise.noise(noisy if denoised is None else denoised, normal))
        return {"loss": squared(tf.cast(self.network(one, training=True), tf.float32) - other)}, denoised

    def score(self, denoise: Callable[[np.ndarray], np.ndarray], noisy: np.ndarray, seed: tf.Tensor) -> float:
        """The loss on one image."""
        brightness = tf.constant((noisy if self.noise.flat else denoise(noisy))[None])
        normal = tf.random.stateless_normal(self.noise.shape([1, *noisy.shape]), seed)
        one, other = self.pair(noisy, self.noise.noise(brightness, normal)[0].numpy())
        return float(np.mean(np.square(denoise(one) - other)))
