"""Blind-spot networks: each pixel is predicted from its surroundings, then its own noisy value counts too."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.methods.base import Method, squared
from n2n_tf.methods.posterior import LEVEL, MEAN, ROOT, VARIANCE, conditioned
from n2n_tf.sampling import Neighbors

SIDES, PIXEL = (32, 64), (17, 40)  # where the blind spot is looked for
TOWARDS = 0.1  # weight of the noise level in the loss, where it is not known


@keras.saving.register_keras_serializable("n2n_tf")
class Laine19(Method):
    """A network that does not see the pixel it predicts learns from noisy images alone.

    Of a plain blind-spot network (the paper's "mu"):

        loss = mean((f(y) - y)²)

    Of one that `with_posterior` gave, which predicts N(μ, Σ) of each clean pixel, and knows or learns the variance Σn
    of the noise:

        loss = mean(½ (y - μ)ᵀ(Σ + Σn)⁻¹(y - μ) + ½ log det(Σ + Σn)) [- 0.1·s, the noise level s, if it is not known]

    and the denoiser is the mean of the clean pixel given its noisy value too. Holds when the noise is independent
    between pixels, of zero mean, and for the latter of this form and not clipped.

    Args:
        network: with a blind spot, plain or with a posterior; it is the denoiser.
        seed: as for `Method`.

    Raises:
        ValueError: a network that sees the pixel it predicts.

    Source: Laine et al. 2019, "High-Quality Self-Supervised Deep Image Denoising", sections 2 and 3.
    """

    logged: ClassVar[tuple[str, ...]] = ("loss", "noise_level")

    def __init__(self, network: keras.Model, seed: int = 0, **kwargs: Any):
        super().__init__(network, seed, **kwargs)
        names = {layer.name for layer in network.layers}
        self.probabilistic = ROOT in names
        parts = [name for name in (MEAN, ROOT, VARIANCE, LEVEL) if name in names] if self.probabilistic else []
        outputs = {name: network.get_layer(name).output for name in parts}
        self.parts = keras.Model(network.inputs[0], {"denoised": network.outputs[0], **outputs})
        if not is_blind(self.parts, MEAN if self.probabilistic else "denoised"):
            raise ValueError("it sees the pixel that it predicts, and would learn to give it back: wanted a blind spot")

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        parts = {name: tf.cast(each, tf.float32) for name, each in self.parts(noisy, training=True).items()}
        if not self.probabilistic:
            return {"loss": squared(parts["denoised"] - noisy)}, parts["denoised"]
        loss = tf.reduce_mean(surprise(parts[MEAN], parts[ROOT], noisy, parts[VARIANCE]))
        if LEVEL not in parts:
            return {"loss": loss}, parts["denoised"]
        level = tf.reduce_mean(parts[LEVEL])
        return {"loss": loss - TOWARDS * level, "noise_level": level}, parts["denoised"]

    def score(self, denoise: Callable[[np.ndarray], np.ndarray], noisy: np.ndarray, seed: tf.Tensor) -> float:
        """The loss of a plain network; else mean((D(g1 y) - g2 y)²), since the denoiser D sees the pixel itself."""
        if not self.probabilistic:
            return float(np.mean(np.square(denoise(noisy) - noisy)))
        sampler = Neighbors()
        one, other = sampler(tf.constant(noisy[None]), sampler.draw((1, *noisy.shape), seed))
        return float(np.mean(np.square(denoise(one[0].numpy()) - other[0].numpy())))


def surprise(mean: tf.Tensor, root: tf.Tensor, noisy: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
    """Of each noisy pixel under N(mean, U·Uᵀ + variance): -log density, up to a constant, float32 [B, H, W, 1].

    Args:
        mean, noisy, variance: [B, H, W, C].
        root: U, [B, H, W, C(C+1)/2], as for `conditioned`; all in float64 inside.
    """
    parts = [tf.split(tf.cast(each, tf.float64), each.shape[-1], axis=-1) for each in (mean, root, noisy, variance)]
    _, errors, variances = conditioned(*parts)
    terms = [tf.square(e) / v + tf.math.log(v) for e, v in zip(errors, variances, strict=True)]
    return tf.cast(tf.add_n(terms) / 2, tf.float32)


def is_blind(network: keras.Model, output: str) -> bool:
    """Whether one of a network's results stays the same, at one pixel, whatever its input is there."""
    image = np.random.default_rng(0).random((*SIDES, network.input_shape[-1]), np.float32)
    other = image.copy()
    other[PIXEL] += 1
    one, two = (network(each[None], training=False)[output][0][PIXEL] for each in (image, other))
    return bool(np.all(np.asarray(one) == np.asarray(two)))
