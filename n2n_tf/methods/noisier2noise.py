"""Noisier2Noise: more noise of the same kind is added, and the noisy image predicted."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from n2n_tf import compat
from n2n_tf.methods.base import Method, squared


@keras.saving.register_keras_serializable("n2n_tf")
class Noisier2Noise(Method):
    """loss = mean((f(z) - y)²) with z = y + σ·n, n standard normal; the denoiser is 2·f(x) - x.

    Given z, the noise of y and the added one are equally large on average, so E[y | z] lies halfway between z and
    E[clean | z]: 2·f(z) - z. Holds for Gaussian noise of this σ; the paper's α is 1 here. The denoiser takes y itself
    as its input, without a draw: half the noise variance that f was trained on.

    Args:
        network, seed: as for `Method`.
        sigma: σ of the images' noise, for intensities in [0, 1].

    Source: Moran et al. 2020, "Noisier2Noise", section 3.1, equation 5.
    """

    def __init__(self, network: keras.Model, sigma: float, seed: int = 0, **kwargs: Any):
        super().__init__(network, seed, **kwargs)
        if sigma <= 0:
            raise ValueError(f"sigma is a standard deviation, so it must be above 0; got {sigma}")
        self.sigma = sigma

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        noisier = noisy + self.sigma * self.drawn(noisy, tf.random.stateless_normal)
        return {"loss": squared(tf.cast(self.network(noisier, training=True), tf.float32) - noisy)}, None

    def score(self, denoise: Callable[[np.ndarray], np.ndarray], noisy: np.ndarray, seed: tf.Tensor) -> float:
        """The loss on one image; of a denoiser D the network is (D(z) + z) / 2."""
        noisier = noisy + self.sigma * tf.random.stateless_normal(noisy.shape, seed).numpy()
        return float(np.mean(np.square((denoise(noisier) + noisier) / 2 - noisy)))

    def denoiser(self) -> keras.Model:
        image = keras.Input(self.network.input_shape[1:], name="image")
        twice = layers.Rescaling(2.0, dtype="float32", name="noisier_twice")(compat.through(self.network, image))
        denoised = layers.Subtract(dtype="float32", name="noisier_denoised")([twice, image])
        model = keras.Model(image, denoised, name=f"noisier2noise_{self.network.name}")
        model.set_weights(self.network.get_weights())
        return model
