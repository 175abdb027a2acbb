"""Synthetic noise: called as (clean, seed) -> noisy in training, drawn as the authors do for tests."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import tensorflow as tf

from n2n_tf.config import Config
from n2n_tf.noise.gaussian import Gaussian
from n2n_tf.noise.poisson import Poisson


class Noise(Protocol):
    """What a noise model offers; see `Gaussian`."""

    def __call__(self, clean: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Noisy image; the same seed gives the same noise."""

    def draw(self, clean: np.ndarray, generator: np.random.RandomState) -> np.ndarray:
        """Noisy image; the authors' test protocol."""


NOISES: dict[str, Callable[[Config], Noise | None]] = {
    "none": lambda config: None,  # the images are noisy already
    "gaussian": lambda config: Gaussian(*(sigma / 255 for sigma in config.sigma)),
    "poisson": lambda config: Poisson(*config.lam),
}

__all__ = ["NOISES", "Gaussian", "Noise", "Poisson"]
