"""Training with targets: clean images, or second noisy shots (Noise2Noise)."""

from collections.abc import Callable
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.methods.base import Method, squared


@keras.saving.register_keras_serializable("n2n_tf")
class Supervised(Method):
    """loss = mean((f(y) - t)²), where t is what the batches (y, t) have beside the noisy image.

    t may be the clean image, the paper's N2C, or another noisy shot of the same scene, Noise2Noise: if its noise has
    zero mean given the clean image and is independent of y's, the least squares solution is the same.

    Source: Lehtinen et al. 2018, "Noise2Noise: Learning Image Restoration without Clean Data", section 2.
    """

    wants_second: ClassVar[bool] = True
    second: ClassVar[str] = "target"

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        denoised = tf.cast(self.network(noisy, training=True), tf.float32)
        return {"loss": squared(denoised - second)}, denoised

    def score(self, denoise: Callable[[np.ndarray], np.ndarray], noisy: np.ndarray, seed: tf.Tensor) -> float:
        raise ValueError("held-out images without partners cannot be scored; give them as pairs")
