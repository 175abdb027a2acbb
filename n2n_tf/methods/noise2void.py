"""Noise2Void and N2V2: hidden pixels are predicted from those around them."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.methods.base import Method
from n2n_tf.sampling import shape_of


@keras.saving.register_keras_serializable("n2n_tf")
class Noise2Void(Method):
    """loss = Σ m·(f(y') - y)² / Σ m, where y' is y with the pixels of the mask m replaced.

    One pixel of each box is hidden, the same in all channels, since noise may be shared among them; its value becomes
    that of a pixel near it. Holds when the noise has zero mean and is independent between pixels.

    Args:
        network, seed: as for `Method`.
        masked: percent of the pixels that are hidden: boxes have sides of √(100 / masked) pixels, rounded.
        radius: of the window that the value comes from.
        replacement: "uniform" (a random pixel of the window), "others" (not the pixel itself) or "median" (of the
            others).

    Source: Krull et al. 2019, "Noise2Void", section 3.3; its median: Höck et al. 2022, "N2V2", section 3.2.
    """

    def __init__(
        self, network: keras.Model, masked: float = 1.5, radius: int = 5, replacement: str = "uniform", seed: int = 0,
        **kwargs: Any,
    ):  # fmt: skip
        super().__init__(network, seed, **kwargs)
        self.masked, self.radius, self.replacement = masked, radius, replacement

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        places, offsets = self.drawn(noisy, self.draw_places), self.drawn(noisy, self.draw_offsets)
        hidden, mask = self.hide(noisy, places, offsets)
        difference = mask * (tf.cast(self.network(hidden, training=True), tf.float32) - noisy)
        return {"loss": tf.reduce_sum(tf.square(difference)) / (tf.reduce_sum(mask) * noisy.shape[-1])}, None

    def score(self, denoise: Callable[[np.ndarray], np.ndarray], noisy: np.ndarray, seed: tf.Tensor) -> float:
        """The loss on one image."""
        batch = tf.constant(noisy[None])
        shape = shape_of(batch)
        hidden, mask = self.hide(batch, self.draw_places(shape, seed), self.draw_offsets(shape, seed))
        where = mask[0, ..., 0].numpy() > 0
        return float(np.mean(np.square(denoise(hidden[0].numpy()) - noisy)[where]))

    @property
    def box(self) -> int:
        """Side of a box in pixels."""
        return max(1, round(math.sqrt(100 / self.masked)))

    def draw_places(self, shape: Any, seed: tf.Tensor) -> tf.Tensor:
        """Where in each box the hidden pixel is, int32 [B, rows, columns]; boxes at the border may have none."""
        rows, columns = (-(-side // self.box) for side in shape[1:3])
        return tf.random.stateless_uniform([shape[0], rows, columns], seed, 0, self.box**2, tf.int32)

    def draw_offsets(self, shape: Any, seed: tf.Tensor) -> tf.Tensor:
        """Large numbers that say which pixel of its window each one would take, int32 [B, H, W]."""
        own = tf.random.experimental.stateless_fold_in(seed, 1)
        return tf.random.stateless_uniform(shape[:3], own, 0, tf.int32.max, tf.int32)

    def hide(self, noisy: tf.Tensor, places: tf.Tensor, offsets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """y' and m, float32 [B, H, W, C] and [B, H, W, 1]."""
        _, height, width, _ = shape_of(noisy)
        boxes = tf.one_hot(places, self.box**2)  # [B, rows, columns, box²]
        mask = tf.nn.depth_to_space(boxes, self.box)[:, :height, :width] if self.box > 1 else boxes
        values = self._medians(noisy) if self.replacement == "median" else self._neighbors(noisy, offsets)
        return tf.where(mask > 0, values, noisy), mask

    def _neighbors(self, noisy: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
        """Of each pixel one of its window, which ends at the image's border."""
        batch, height, width, _ = shape_of(noisy)
        y, x = tf.range(height)[:, None], tf.range(width)
        top, left = (tf.maximum(at - self.radius, 0) for at in (y, x))
        rows, columns = (
            tf.minimum(at + self.radius, side - 1) - first + 1
            for at, first, side in ((y, top, height), (x, left, width))
        )
        if self.replacement == "others":
            chosen = offsets % tf.maximum(rows * columns - 1, 1)
            chosen += tf.cast(chosen >= (y - top) * columns + x - left, tf.int32)
        else:
            chosen = offsets % (rows * columns)
        images = tf.broadcast_to(tf.range(batch)[:, None, None], tf.shape(chosen))
        return tf.gather_nd(noisy, tf.stack([images, top + chosen // columns, left + chosen % columns], -1))

    def _medians(self, noisy: tf.Tensor) -> tf.Tensor:
        """Of the windows without their centers."""
        _, height, width, _ = shape_of(noisy)
        reach = range(-self.radius, self.radius + 1)
        around = [
            tf.gather(
                tf.gather(noisy, mirrored(tf.range(height) + down, height), axis=1),
                mirrored(tf.range(width) + across, width), axis=2,
            )
            for down in reach for across in reach if (down, across) != (0, 0)
        ]  # fmt: skip
        ordered = tf.sort(tf.stack(around, -1), axis=-1)
        middle = len(around) // 2
        return (ordered[..., middle - 1] + ordered[..., middle]) / 2


def mirrored(index: tf.Tensor, size: int | tf.Tensor) -> tf.Tensor:
    """Indices beyond an end, reflected there as often as it takes."""
    period = tf.maximum(2 * (size - 1), 1)
    index = tf.math.floormod(index, period)
    return tf.minimum(index, period - index)
