"""Noise as it was measured: of any correlation between neighbours and channels, of any strength at each brightness."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.sampling import shape_of

SIDE = 64  # of the grid on which a correlation becomes a filter
HALF = 8  # of the filter, pixels


@keras.saving.register_keras_serializable("n2n_tf")
class MeasuredNoise:
    """noisy = clean + σ(clean)·n, n normal with a given correlation between pixels and between channels.

    n is white noise, mixed between the channels and filtered by the root of the spectrum that the correlation has.

    Args:
        levels: [C, L], variance of each channel at brightness 0 to 1/L, 1/L to 2/L, …; between their middles linear.
        rho: [C, 9, 17], correlation of each channel at (down, right - 8), as `Correlation.each`; the rest mirrors it.
        channels: [C, C], correlation between channels at one pixel.

    Source: the root of the spectrum as filter: Galerne, Gousseau, Morel 2011, "Random phase textures", section 2.
    """

    def __init__(self, levels: np.ndarray, rho: np.ndarray, channels: np.ndarray):
        levels, rho, channels = (np.asarray(each, float) for each in (levels, rho, channels))
        self._config = {"levels": levels, "rho": rho, "channels": channels}
        self.sigma = tf.constant(np.sqrt(np.maximum(levels, 0)).T, tf.float32)
        alone = rho.copy()
        alone[:, 0, rho.shape[1] - 1] = 0
        self._margin = HALF if alone.any() else 0  # of what a filter takes around an image: none of white noise
        filters = np.stack([_filter(each) for each in rho], -1) if self._margin else np.ones((1, 1, len(rho)))
        shared = np.einsum("ijc,ijd->cd", filters, filters)  # of the correlation of channels, what filters leave
        values, vectors = np.linalg.eigh(channels / shared)
        mix = vectors * np.sqrt(np.maximum(values, 0))
        mix /= np.linalg.norm(mix, axis=1, keepdims=True)
        self._mix, self._filters = tf.constant(mix, tf.float32), tf.constant(filters[..., None], tf.float32)

    def get_config(self) -> dict[str, Any]:
        return {name: each.tolist() for name, each in self._config.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MeasuredNoise":
        return cls(**config)

    @classmethod
    def white(cls, levels: np.ndarray, channels: np.ndarray | None = None) -> "MeasuredNoise":
        """Independent between pixels, and between channels unless their correlation is given."""
        rho = np.zeros((len(levels), HALF + 1, 2 * HALF + 1))
        rho[:, 0, HALF] = 1
        return cls(levels, rho, np.eye(len(levels)) if channels is None else channels)

    @property
    def flat(self) -> bool:
        """Whether σ is the same at any brightness."""
        return bool(np.ptp(self._config["levels"], axis=1).max() == 0)

    def __call__(self, clean: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Add noise to images.

        Args:
            clean: float32 [B, H, W, C], in [0, 1].
            seed: int [2]; the same seed gives the same noise.
        """
        return self.added(clean, tf.random.stateless_normal(self.shape(shape_of(clean)), seed))

    def shape(self, shape: Sequence[int | tf.Tensor]) -> list[int | tf.Tensor]:
        """Of the normal numbers that `added` wants for images of this shape."""
        batch, height, width, channels = shape
        return [batch, height + 2 * self._margin, width + 2 * self._margin, channels]

    def added(self, clean: tf.Tensor, normal: tf.Tensor) -> tf.Tensor:
        """Noisy images, from white numbers of a form that `shape` says."""
        return clean + self.noise(clean, normal)

    def noise(self, clean: tf.Tensor, normal: tf.Tensor) -> tf.Tensor:
        """What `added` adds."""
        mixed = tf.einsum("bhwd,cd->bhwc", normal, self._mix)
        if self._margin:
            mixed = tf.nn.depthwise_conv2d(mixed, self._filters, [1, 1, 1, 1], "VALID")
        return mixed * (self.sigma[0] if self.flat else self._at(clean))

    def _at(self, clean: tf.Tensor) -> tf.Tensor:
        """σ at these brightnesses."""
        levels, channels = self.sigma.shape
        place = tf.clip_by_value(clean * levels - 0.5, 0, levels - 1)
        lower = tf.minimum(tf.cast(place, tf.int32), max(levels - 2, 0))
        share = place - tf.cast(lower, tf.float32)
        index = tf.stack([lower, tf.broadcast_to(tf.range(channels), tf.shape(lower))], -1)
        low = tf.gather_nd(self.sigma, index)
        high = tf.gather_nd(self.sigma, index + tf.constant([min(1, levels - 1), 0]))
        return low + share * (high - low)


def _filter(rho: np.ndarray) -> np.ndarray:
    """[17, 17], of unit energy: white noise through it has this correlation."""
    far = rho.shape[0] - 1
    whole = np.zeros((SIDE, SIDE))
    for (down, right), value in np.ndenumerate(rho):
        whole[down, right - far] = whole[-down, far - right] = value
    root = np.fft.ifft2(np.sqrt(np.maximum(np.fft.fft2(whole).real, 0))).real
    cut = np.roll(root, (HALF, HALF), (0, 1))[: 2 * HALF + 1, : 2 * HALF + 1]
    return cut / np.linalg.norm(cut)
