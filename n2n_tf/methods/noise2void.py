"""Noise2Void and N2V2: hidden pixels are predicted from those around them."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.methods.base import Method
from n2n_tf.methods.settings import box_side
from n2n_tf.sampling import shape_of

REPLACEMENTS = ("uniform", "others", "median")


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
        if not 0 < masked <= 25 or radius < 1 or replacement not in REPLACEMENTS:
            raise ValueError(
                f"masked {masked}, radius {radius}, replacement {replacement!r}: wanted at most 25 percent, a radius "
                f"of at least 1, and one of {', '.join(REPLACEMENTS)}"
            )
        self.masked, self.radius, self.replacement = masked, radius, replacement

    def losses(self, noisy: tf.Tensor, second: tf.Tensor | None) -> tuple[dict[str, tf.Tensor], tf.Tensor | None]:
        places = self.drawn_for_all(noisy, self.draw_places)
        hidden, mask = self.hide(noisy, self.own(places), self.drawn(noisy, self.draw_offsets))
        difference = mask * (tf.cast(self.network(hidden, training=True), tf.float32) - noisy)
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        count = tf.reduce_sum(self.mask(places, noisy)) * noisy.shape[-1] / replicas  # of all: the mean over replicas
        return {"loss": tf.reduce_sum(tf.square(difference)) / count}, None

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
        return box_side(self.masked)

    def draw_places(self, shape: Any, seed: tf.Tensor) -> tf.Tensor:
        """Where in each box the hidden pixel is, int32 [B, rows, columns]; boxes at the border may have none."""
        rows, columns = (-(-side // self.box) for side in shape[1:3])
        return tf.random.stateless_uniform([shape[0], rows, columns], seed, 0, self.box**2, tf.int32)

    def draw_offsets(self, shape: Any, seed: tf.Tensor) -> tf.Tensor:
        """Large numbers that say which pixel of its window each one would take, int32 [B, H, W]."""
        # without its sign: of negative seeds XLA draws other numbers
        own = tf.bitwise.bitwise_and(tf.random.experimental.stateless_fold_in(seed, 1), tf.int32.max)
        return tf.random.stateless_uniform(shape[:3], own, 0, tf.int32.max, tf.int32)

    def hide(self, noisy: tf.Tensor, places: tf.Tensor, offsets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """y' and m, float32 [B, H, W, C] and [B, H, W, 1]."""
        mask = self.mask(places, noisy)
        values = self._medians(noisy, places) if self.replacement == "median" else self._neighbors(noisy, offsets)
        return tf.where(mask > 0, values, noisy), mask

    def mask(self, places: tf.Tensor, noisy: tf.Tensor) -> tf.Tensor:
        """1 at the hidden pixels of images of these sides, float32 [B, H, W, 1]."""
        _, height, width, _ = shape_of(noisy)
        boxes = tf.one_hot(places, self.box**2)  # [B, rows, columns, box²]
        whole = tf.nn.depth_to_space(boxes, self.box) if self.box > 1 else boxes
        return whole[:, :height, :width]

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

    def _medians(self, noisy: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        """Of the windows of hidden pixels, mirrored at the border and without their centers; all over their boxes."""
        batch, height, width, _ = shape_of(noisy)
        _, rows, columns = shape_of(places)
        y = tf.range(rows)[:, None] * self.box + places // self.box  # [B, rows, columns]
        x = tf.range(columns) * self.box + places % self.box
        reach = range(-self.radius, self.radius + 1)
        offsets = np.array([(down, across) for down in reach for across in reach if (down, across) != (0, 0)], np.int32)
        at = tf.stack(
            [
                tf.broadcast_to(tf.range(batch)[:, None, None, None], [batch, rows, columns, len(offsets)]),
                mirrored(y[..., None] + offsets[:, 0], height),
                mirrored(x[..., None] + offsets[:, 1], width),
            ],
            -1,
        )
        around = tf.sort(tf.gather_nd(noisy, at), axis=-2)  # [B, rows, columns, (2r+1)² - 1, C]
        middle = len(offsets) // 2
        medians = (around[..., middle - 1, :] + around[..., middle, :]) / 2
        return tf.repeat(tf.repeat(medians, self.box, 1), self.box, 2)[:, :height, :width]


def mirrored(index: tf.Tensor, size: int | tf.Tensor) -> tf.Tensor:
    """Indices beyond an end, reflected there as often as it takes."""
    period = tf.maximum(2 * (size - 1), 1)
    index = tf.math.floormod(index, period)
    return tf.minimum(index, period - index)
