"""The noise of a camera's sensor: of the photons, and of reading them out."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

SLOPE, OFFSET, SPREAD = 1.85, 0.30, 0.20  # log10 of s² beside log10 of a, and how it scatters: phones of SIDD


class Camera:
    """noisy = clean + √(a·clean + s²)·n, with n standard normal, independent between pixels and channels.

    For intensities that are proportional to light, black 0 and white 1: a is 1 over the photons at white, s is what
    reading adds. Below black a·clean counts as 0. The normal law stands for Poisson's, which it is near from some ten
    photons on.

    Args:
        gain: a, above 0.
        highest: if given, log a is drawn for each image uniformly between those of gain and highest.
        read: s, at least 0; None: drawn for each image, log10 s² normal around 1.85·log10 a + 0.30 with deviation 0.20.
        clipped: whether values below 0 and above 1 are cut off, as in most files; the noise has no zero mean then.

    Source: Brooks et al. 2019, "Unprocessing Images for Learned Raw Denoising", whose numbers are of DND's cameras;
    those of SIDD's phones: the code of Zamir et al. 2020, "CycleISP", which clips too.
    """

    def __init__(self, gain: float, highest: float | None = None, read: float | None = None, clipped: bool = False):
        self.gain, self.read, self.clipped = gain, read, clipped
        self.highest = gain if highest is None else highest
        if not 0 < self.gain <= self.highest:
            raise ValueError(f"gain must be above 0 and a range must ascend; got {gain}, {highest}")
        if read is not None and not read >= 0:
            raise ValueError(f"read must be at least 0; got {read}")

    def __str__(self) -> str:
        gain = f"{self.gain:g}" + (f"-{self.highest:g}" if self.highest > self.gain else "")
        read = "" if self.read is None else f", read {self.read:g}"
        return f"camera {gain}{read}{', clipped' if self.clipped else ''}"

    def __call__(self, clean: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Add noise to one image.

        Args:
            clean: float32 [H, W, C], black 0 and white 1; planes of a mosaic, colours or gray.
            seed: int [2]; the same seed gives the same noise.

        Returns:
            float32 [H, W, C].
        """
        gain_seed, read_seed, noise_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
        low, high, read = math.log(self.gain), math.log(self.highest), self.read
        log_gain = low + (high - low) * tf.random.stateless_uniform([], gain_seed)
        dark = tf.exp(_log_dark(log_gain, tf.random.stateless_normal([], read_seed))) if read is None else read**2
        sigma = tf.sqrt(tf.exp(log_gain) * tf.maximum(clean, 0.0) + dark)
        noisy = clean + sigma * tf.random.stateless_normal(tf.shape(clean), noise_seed)
        return tf.clip_by_value(noisy, 0.0, 1.0) if self.clipped else noisy

    def draw(self, clean: np.ndarray, generator: np.random.RandomState) -> np.ndarray:
        """Add noise to one image of a test set: the level first, as the authors' test code draws those of a range.

        Args:
            clean: float32 [H, W, C], black 0 and white 1.
            generator: NumPy's legacy generator; its state moves on.

        Returns:
            float32 [H, W, C].
        """
        low, high, read = math.log(self.gain), math.log(self.highest), self.read
        log_gain = generator.uniform(low, high, size=(1, 1, 1)) if high > low else low
        dark = np.exp(_log_dark(log_gain, generator.normal(size=(1, 1, 1)))) if read is None else read**2
        sigma = np.sqrt(np.exp(log_gain) * np.maximum(clean, 0) + dark)
        noisy = clean + generator.normal(size=clean.shape) * sigma
        return (np.clip(noisy, 0, 1) if self.clipped else noisy).astype(np.float32)


def _log_dark(log_gain: Any, normal: Any) -> Any:
    """The logarithm of s², from that of a and a standard normal number; tensors or arrays."""
    return SLOPE * log_gain + math.log(10) * (OFFSET + SPREAD * normal)
