"""Poisson (shot) noise."""

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
