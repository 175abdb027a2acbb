"""Synthetic noise: objects called as (clean, seed) -> noisy."""

from collections.abc import Callable

import tensorflow as tf

from n2n_tf.config import Config
from n2n_tf.noise.gaussian import Gaussian
from n2n_tf.noise.poisson import Poisson

Noise = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

NOISES: dict[str, Callable[[Config], Noise | None]] = {
    "none": lambda config: None,  # the images are noisy already
    "gaussian": lambda config: Gaussian(*(sigma / 255 for sigma in config.sigma)),
    "poisson": lambda config: Poisson(*config.lam),
}

__all__ = ["NOISES", "Gaussian", "Noise", "Poisson"]
