"""Neighbor2Neighbor: a denoiser from single noisy images (paper, section 4.2 and Algorithm 1)."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.methods.base import Method, squared
from n2n_tf.methods.gamma import GammaRamp
from n2n_tf.sampling import Neighbors, Sampler, put_together, taken_apart


@keras.saving.register_keras_serializable("n2n_tf")
class Neighbor2Neighbor(Method):
    """Trains a network on noisy images alone.

    One noisy image y gives a noisy pair g1(y), g2(y); the network f learns to predict one from the other:

        loss = mean((f(g1 y) - g2 y)²) + γ · mean((f(g1 y) - g2 y - (g1 f(y) - g2 f(y)))²)

    The second term corrects for the pair's scenes being shifted by a pixel; f(y) gets no gradient.
    Holds when the noise has zero mean and is independent between pixels, given the clean image.

    Train with `compile(optimizer=...)` and `fit(dataset)`. The dataset gives noisy batches, float32
    [B, H, W, C] in [0, 1], or (noisy, clean) batches: then `psnr` (dB, of f(y), batches of one size) is
    logged too; clean images never reach the loss. H and W must be twice what the network accepts
    (64 for the U-Net).

    Args:
        network: any Keras model, image in, image out, of equal shape. Save this one; it is the denoiser.
        gamma: γ ≥ 0, a number or a schedule `iterations -> γ` such as `GammaRamp`.
        seed: of the sub-sampler; stateless: the draw depends on (seed, optimizer.iterations) only.
        sampler: the sub-sampler G = (g1, g2); of one that gives several targets g2, g3 the losses are averaged.

    Source: paper equation 7; the stop-gradient and the growing γ are in the text below it.
    """

    logged: ClassVar[tuple[str, ...]] = ("loss", "reconstruction", "regularizer", "gamma")

    def __init__(
        self, network: keras.Model, gamma: float | GammaRamp = 2.0, seed: int = 0, sampler: Sampler | None = None,
        **kwargs: Any,
    ):  # fmt: skip
        super().__init__(network, seed, **kwargs)
        if not callable(gamma) and gamma < 0:
            raise ValueError(f"gamma weighs a squared error, so it must be at least 0; got {gamma}")
        self.gamma = gamma
        self.sampler = sampler or Neighbors()
        self.divides = self.sampler.divides

    def loss_terms(self, noisy: tf.Tensor, choice: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The two terms of equation 7, and f(y).

        Args:
            noisy: y, float32 [B, H, W, C].
            choice: the sub-sampler G, int32 [B, H//2, W//2], from its `draw`.

        Returns:
            reconstruction and regularizer, float32 scalars; denoised f(y), float32 [B, H, W, C].
        """
        parts = taken_apart(noisy, self.sampler.apart)  # the network sees what it is trained on: all of y, as a rule
        denoised = tf.stop_gradient(tf.cast(self.network(parts, training=False), tf.float32))
        denoised = put_together(denoised, self.sampler.apart)
        with tf.control_dependencies([denoised]):  # one pass after the other: their memory does not add up
            noisy1, *targets = self.sampler(noisy, choice)
        denoised1, *others = self.sampler(denoised, choice)
        prediction = tf.cast(self.network(noisy1, training=True), tf.float32)
        differences = [prediction - noisy2 for noisy2 in targets]
        corrected = [
            difference - (denoised1 - denoised2) for difference, denoised2 in zip(differences, others, strict=True)
        ]
        reconstruction, regularizer = (
            tf.add_n([squared(each) for each in terms]) / len(terms) for terms in (differences, corrected)
        )
        return reconstruction, regularizer, denoised

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        gamma = tf.cast(self.gamma(self.optimizer.iterations) if callable(self.gamma) else self.gamma, tf.float32)
        reconstruction, regularizer, denoised = self.loss_terms(noisy, self._draw(noisy))
        loss = reconstruction + gamma * regularizer
        values = {"loss": loss, "reconstruction": reconstruction, "regularizer": regularizer, "gamma": gamma}
        return values, denoised

    def score(self, denoise: Callable[[np.ndarray], np.ndarray], noisy: np.ndarray, seed: tf.Tensor) -> float:
        """The reconstruction: mean((f(g1 y) - g2 y)²)."""
        choice = self.sampler.draw((1, *noisy.shape), seed)
        sub1, sub2 = (sub.numpy() for sub in self.sampler(tf.constant(noisy[None]), choice)[:2])
        return float(np.mean([np.mean(np.square(denoise(one) - two)) for one, two in zip(sub1, sub2, strict=True)]))

    def _draw(self, noisy: tf.Tensor) -> tf.Tensor:
        return self.drawn(noisy, self.sampler.draw)
