"""Blind2Unblind: hidden pixels are predicted, and what is seen of them is brought in by the loss."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.methods.base import Method, squared
from n2n_tf.methods.beta import BetaRise
from n2n_tf.methods.blind_settings import CELL
from n2n_tf.sampling import shape_of

AROUND = np.array([[0.5, 1, 0.5], [1, 0, 1], [0.5, 1, 0.5]], np.float32) / 6  # weights of a hidden pixel's neighbours


@keras.saving.register_keras_serializable("n2n_tf")
class Blind2Unblind(Method):
    """loss = mean((h - y)²) + mean((h - y + β·(f(y) - y))²): h is blind at each pixel, f(y) is not and has no gradient.

    In copy (i, j) of 16 the pixel (i, j) of every 4×4 cell becomes the mean of its neighbours; h has each pixel from
    the copy in which it was hidden. The second term is the first plus what f sees of y; a growing β gives it weight.
    Holds when the noise has zero mean and is independent between pixels.

    The denoiser is f(y), one pass. The authors score (h + βf(y)) / (1 + β) with the last β, about 20: 17 passes, of
    which f(y) makes 95 %.

    Args:
        network, seed: as for `Method`.
        beta: β ≥ 0, a number or a schedule `iterations -> β` such as `BetaRise`.

    Source: Wang et al. 2022, "Blind2Unblind: Self-Supervised Image Denoising with Visible Blind Spots", section 3,
    equation 11; the weights of the neighbours are the authors' code's.
    """

    logged: ClassVar[tuple[str, ...]] = ("loss", "regularizer", "revisible", "beta")

    def __init__(self, network: keras.Model, beta: float | BetaRise = 2.0, seed: int = 0, **kwargs: Any):
        super().__init__(network, seed, **kwargs)
        if not callable(beta) and beta < 0:
            raise ValueError(f"beta weighs what is visible, so it must be at least 0; got {beta}")
        self.beta = beta

    def loss_terms(self, noisy: tf.Tensor, beta: float | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The two terms, and f(y).

        Args:
            noisy: y, float32 [B, H, W, C].
            beta: β.

        Returns:
            regularizer and revisible, float32 scalars; denoised f(y), float32 [B, H, W, C].
        """
        denoised = tf.stop_gradient(tf.cast(self.network(noisy, training=False), tf.float32))
        with tf.control_dependencies([denoised]):  # one pass after the other: their memory does not add up
            noisy = tf.identity(noisy)
        difference = self.blind(noisy) - noisy
        return squared(difference), squared(difference + beta * (denoised - noisy)), denoised

    def blind(self, noisy: tf.Tensor) -> tf.Tensor:
        """h, each pixel predicted where it is hidden, float32 [B, H, W, C]."""
        copies, masks = self.masked(noisy)
        batch, count, height, width, channels = shape_of(copies)
        predicted = self.network(tf.reshape(copies, [batch * count, height, width, channels]), training=True)
        predicted = tf.reshape(tf.cast(predicted, tf.float32), [batch, count, height, width, channels])
        return tf.reduce_sum(predicted * masks, axis=1)

    def masked(self, noisy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The copies, [B, 16, H, W, C], and where each has its hidden pixels, [16, H, W, 1]."""
        _, height, width, channels = shape_of(noisy)
        place = tf.range(height)[:, None] % CELL * CELL + tf.range(width) % CELL
        masks = tf.transpose(tf.one_hot(place, CELL**2), [2, 0, 1])[..., None]
        kernel = tf.constant(np.repeat(AROUND[..., None, None], channels, axis=2))
        means = tf.nn.depthwise_conv2d(noisy, kernel, [1, 1, 1, 1], "SAME")  # beyond the border is 0
        return tf.where(masks > 0, means[:, None], noisy[:, None]), masks

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        beta = tf.cast(self.beta(self.optimizer.iterations) if callable(self.beta) else self.beta, tf.float32)
        regularizer, revisible, denoised = self.loss_terms(noisy, beta)
        values = {"loss": regularizer + revisible, "regularizer": regularizer, "revisible": revisible, "beta": beta}
        return values, denoised

    def score(self, denoise: Callable[[np.ndarray], np.ndarray], noisy: np.ndarray, seed: tf.Tensor) -> float:
        """mean((h - y)²), at the pixels that one of the copies hides."""
        copies, masks = self.masked(tf.constant(noisy[None]))
        number = int(tf.random.stateless_uniform([], seed, 0, CELL**2, tf.int32))
        where = masks[number, ..., 0].numpy() > 0
        return float(np.mean(np.square(denoise(copies[0, number].numpy()) - noisy)[where]))
