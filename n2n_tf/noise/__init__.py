"""Synthetic noise: called as (clean, seed) -> noisy in training, drawn as the authors do for tests."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

_HOMES = {
    "Camera": "n2n_tf.noise.camera", "Gaussian": "n2n_tf.noise.gaussian", "Poisson": "n2n_tf.noise.poisson",
    "NOISES": "n2n_tf.noise.settings",
}  # fmt: skip


class Noise(Protocol):
    """What a noise model offers; see `Gaussian`."""

    def __call__(self, clean: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Noisy image; the same seed gives the same noise."""

    def draw(self, clean: np.ndarray, generator: np.random.RandomState) -> np.ndarray:
        """Noisy image; the authors' test protocol."""


def __getattr__(name: str) -> Any:
    """Import on first use: settings are checked before TensorFlow is loaded."""
    if name not in _HOMES:
        raise AttributeError(f"module 'n2n_tf.noise' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
