"""What another denoiser makes of noisy images is made noisy again, and learned: on whole images, for one pass."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.methods.base import Method, squared
from n2n_tf.methods.base_settings import DEEPEST
from n2n_tf.noise.measured import MeasuredNoise

MOST = 512  # pixels of a side that is scored: the middle of an image


@keras.saving.register_keras_serializable("n2n_tf")
class Renoised(Method):
    """loss = mean((f(x + n) - x)²): x is what a teacher makes of the noisy image y, n noise as measured in such images.

    So f learns to take the real noise out of whole images, however the teacher got there, and goes past it: x has less
    detail than the scene, but f sees all of what y has. Without a measured noise f learns x from y.

    Args:
        network, seed: as for `Method`.
        teacher: takes and gives images as the network; its weights stay.
        noise: of the noisy images.

    Source: after Zhang et al. 2022, "IDR: Self-Supervised Image Denoising via Iterative Data Refinement", section 3,
    who take y itself for x at first and know the noise.
    """

    def __init__(
        self, network: keras.Model, teacher: keras.Model, noise: MeasuredNoise | None = None, seed: int = 0,
        **kwargs: Any,
    ):  # fmt: skip
        super().__init__(network, seed, **kwargs)
        self.teacher, self.noise = teacher, noise

    def taught(self, noisy: tf.Tensor) -> tf.Tensor:
        """x."""
        return tf.stop_gradient(tf.cast(self.teacher(noisy, training=False), tf.float32))

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        clean = self.taught(noisy)
        if self.noise:
            noisy = self.noise.added(clean, self.drawn(noisy, self._normal))
        return {"loss": squared(tf.cast(self.network(noisy, training=True), tf.float32) - clean)}, None

    def score(self, denoise: Callable[[np.ndarray], np.ndarray], noisy: np.ndarray, seed: tf.Tensor) -> float:
        """The loss on the middle of one image."""
        noisy = self._middle(noisy)
        clean = self.taught(tf.constant(noisy[None]))
        if self.noise:
            noisy = self.noise(clean, seed)[0].numpy()
        return float(np.mean(np.square(denoise(noisy) - clean[0].numpy())))

    def _normal(self, shape: Any, seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_normal(self.noise.shape(shape) if self.noise else shape, seed)

    def _middle(self, image: np.ndarray) -> np.ndarray:
        """Of sides that the teacher takes, by mirroring where it is smaller."""
        height, width = (max(DEEPEST, min(MOST, side) // DEEPEST * DEEPEST) for side in image.shape[:2])
        more = [(0, max(0, wanted - side)) for wanted, side in zip((height, width), image.shape, strict=False)]
        image = np.pad(image, [*more, (0, 0)], "symmetric")
        top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        return image[top : top + height, left : left + width]
