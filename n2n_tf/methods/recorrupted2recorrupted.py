"""Recorrupted-to-Recorrupted: one noisy image becomes two whose noise is independent."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.methods.base import Method, squared
from n2n_tf.noise.measured import MeasuredNoise


@keras.saving.register_keras_serializable("n2n_tf")
class Recorrupted2Recorrupted(Method):
    """loss = mean((f(y1) - y2)²) with y1 = y + √(α/(1-α))·n and y2 = y - √((1-α)/α)·n, n drawn as the noise of y.

    For Gaussian noise of this σ the noise of y1 and y2 is independent, so it is Noise2Noise. The denoiser is f(y): its
    input has a little less noise than in training, 1 - α of the variance, and no draw.

    Args:
        network, seed: as for `Method`.
        sigma: σ of the images' noise, for intensities in [0, 1]; or the noise as it was measured, of one level.
        alpha: α, in (0, 1): the larger, the noisier the input and the less noisy the target.

    Raises:
        ValueError: α beyond that; noise whose level depends on the brightness.

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
        if isinstance(sigma, MeasuredNoise):
            self.noise = sigma
        else:
            self.noise = MeasuredNoise.white(np.full((network.output_shape[-1], 1), sigma**2))
        if not self.noise.flat:
            raise ValueError("sigma depends on the brightness; wanted noise of one level")

    def pair(self, noisy: Any, noise: Any) -> tuple[Any, Any]:
        """y1 and y2 of the same shape, from y and n."""
        share = math.sqrt(self.alpha / (1 - self.alpha))
        return noisy + share * noise, noisy - noise / share

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        one, other = self.pair(noisy, self.noise.noise(noisy, self.drawn(noisy, self._normal)))
        return {"loss": squared(tf.cast(self.network(one, training=True), tf.float32) - other)}, None

    def score(self, denoise: Callable[[np.ndarray], np.ndarray], noisy: np.ndarray, seed: tf.Tensor) -> float:
        """The loss on one image."""
        one, other = self.pair(noisy, self.noise.noise(noisy[None], self._normal([1, *noisy.shape], seed))[0].numpy())
        return float(np.mean(np.square(denoise(one) - other)))

    def _normal(self, shape: Sequence[int | tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_normal(self.noise.shape(shape), seed)
