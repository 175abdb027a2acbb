"""Additive white Gaussian noise."""

import numpy as np
import tensorflow as tf


class Gaussian:
    """noisy = clean + σ·n, with n standard normal, independent between pixels and channels; not clipped.

    Args:
        sigma: standard deviation, in units of intensities in [0, 1]; above 0.
        highest: if given, σ is drawn for each image uniformly from [sigma, highest).

    Source: paper section 5.1, noise (1) and (2).
    """

    def __init__(self, sigma: float, highest: float | None = None):
        self.sigma = sigma
        self.highest = sigma if highest is None else highest
        if not 0 < self.sigma <= self.highest:
            raise ValueError(f"sigma must be above 0 and a range must ascend; got {sigma}, {highest}")

    def __str__(self) -> str:
        return f"gaussian {self.sigma * 255:g}" + (f"-{self.highest * 255:g}" if self.highest > self.sigma else "")

    def __call__(self, clean: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Add noise to one image.

        Args:
            clean: float32 [H, W, C], in [0, 1].
            seed: int [2]; the same seed gives the same noise.

        Returns:
            float32 [H, W, C].
        """
        level_seed, noise_seed = tf.unstack(tf.random.experimental.stateless_split(seed))
        sigma = self.sigma + (self.highest - self.sigma) * tf.random.stateless_uniform([], level_seed)
        return clean + sigma * tf.random.stateless_normal(tf.shape(clean), noise_seed)

    def draw(self, clean: np.ndarray, generator: np.random.RandomState) -> np.ndarray:
        """Add noise as the authors' test code does.

        Args:
            clean: float32 [H, W, C], in [0, 1].
            generator: NumPy's legacy generator; its state moves on.

        Returns:
            float32 [H, W, C].
        """
        ranged = self.highest > self.sigma
        sigma = generator.uniform(self.sigma, self.highest, size=(1, 1, 1)) if ranged else self.sigma
        return (clean + generator.normal(size=clean.shape) * sigma).astype(np.float32)
