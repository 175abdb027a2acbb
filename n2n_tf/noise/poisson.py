"""Poisson (shot) noise."""

import numpy as np
import tensorflow as tf


class Poisson:
    """noisy = Poisson(λ·clean) / λ, independent between pixels and channels; not clipped.

    The mean is clean, the variance clean / λ: the smaller λ, the more noise.

    Args:
        lam: λ, the expected count at intensity 1; above 0.
        highest: if given, λ is drawn for each image uniformly from [lam, highest).

    Source: paper section 5.1, noise (3) and (4).
    """

    def __init__(self, lam: float, highest: float | None = None):
        self.lam = lam
        self.highest = lam if highest is None else highest
        if not 0 < self.lam <= self.highest:
            raise ValueError(f"lam must be above 0 and a range must ascend; got {lam}, {highest}")

    def __str__(self) -> str:
        return f"poisson {self.lam:g}" + (f"-{self.highest:g}" if self.highest > self.lam else "")

    def __call__(self, clean: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draw the noisy image.

        Args:
            clean: float32 [H, W, C], in [0, 1]; values below 0 count as 0 (a rate cannot be negative).
            seed: int [2]; the same seed gives the same noise.

        Returns:
            float32 [H, W, C].
        """
        level_seed, noise_seed = tf.unstack(tf.random.experimental.stateless_split(seed))
        lam = self.lam + (self.highest - self.lam) * tf.random.stateless_uniform([], level_seed)
        counts = tf.random.stateless_poisson(tf.shape(clean), noise_seed, lam * tf.maximum(clean, 0.0), tf.float32)
        return counts / lam

    def draw(self, clean: np.ndarray, generator: np.random.RandomState) -> np.ndarray:
        """Draw the noisy image as the authors' test code does.

        Args:
            clean: float32 [H, W, C], in [0, 1].
            generator: NumPy's legacy generator; its state moves on.

        Returns:
            float32 [H, W, C].
        """
        ranged = self.highest > self.lam
        lam = generator.uniform(self.lam, self.highest, size=(1, 1, 1)) if ranged else self.lam
        return (generator.poisson(lam * np.maximum(clean, 0)) / lam).astype(np.float32)
