"""Self2Self with dropout: a network fitted to say the hidden pixels of one image, and the mean of many that it says."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from n2n_tf.baselines.fitting import divisible, fitted, mirrored, normal_kernels, on_own_range

LEVELS, ENCODER, DECODER, LAST = 5, 48, 96, (64, 32)  # features
KEPT, DROPPED, SLOPE = 0.7, 0.3, 0.1  # share of the numbers that are shown; of features that are dropped
RATE = 1e-4


def self2self(image: np.ndarray, steps: int = 150_000, predictions: int = 100, seed: int = 0) -> np.ndarray:
    """The mean of f(m·y) over random masks m and dropouts, f fitted to |(1 - m)·(f(m·y) - y)|² / |1 - m|.

    Assumes noise of zero mean that is independent between pixels and channels.

    Args:
        image: float32 [H, W, C], in units of the value range.
        steps, seed: of fitting.
        predictions: whose mean it is.

    Returns:
        float32 [H, W, C]; between the image's darkest and brightest values.

    Raises:
        ValueError: it diverged.

    Source: Quan, Chen, Pang, Ji, CVPR 2020. Written after the paper; features and margins are the authors' code's,
        partial convolutions are divided by the mean of the mask (Liu et al. 2018).
    """
    height, width, channels = image.shape
    unit, low, span = on_own_range(divisible(image, 2**LEVELS))
    whole = tf.constant(unit[None])
    there = np.zeros_like(unit[None])
    there[:, :height, :width] = 1  # not the margin
    network = PartialUNet(channels, seed)
    network(whole, tf.ones_like(whole), tf.constant([seed, 0]))  # makes its variables

    def loss(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        seeds = tf.random.experimental.stateless_split(number, 3)
        turn = tf.random.stateless_uniform([2], seeds[0], 0, 2, tf.int32)
        noisy, inside = flipped(whole, turn), flipped(tf.constant(there), turn)
        mask = tf.cast(tf.random.stateless_uniform(tf.shape(noisy), seeds[1]) < KEPT, tf.float32)
        made = network(noisy, mask, seeds[2])
        hidden = (1 - mask) * inside
        error = tf.reduce_sum(tf.square(made - noisy) * hidden) / tf.maximum(tf.reduce_sum(hidden), 1)
        return error, flipped(made, turn)

    for _ in fitted("self2self", loss, network.variables, RATE, steps, seed):
        pass
    predict, total = tf.function(lambda number: loss(number)[1]), np.zeros(whole.shape)
    for number in range(predictions):
        total += predict(tf.constant([seed, steps + number], tf.int32)).numpy()
    return (total[0, :height, :width] / predictions * span + low).astype(np.float32)


def flipped(image: tf.Tensor, turn: tf.Tensor) -> tf.Tensor:
    """[B, H, W, C], upside down and left to right where the two numbers are 1; its own inverse."""
    for axis in (0, 1):
        image = tf.where(turn[axis] > 0, tf.reverse(image, [1 + axis]), image)
    return image


class PartialUNet:
    """Partial convolutions down, dropout before each convolution up; float32 [B, H, W, C] in 0 to 1 of the range.

    Args:
        channels: C.
        seed: of the initial weights.
    """

    def __init__(self, channels: int, seed: int):
        hidden, last = normal_kernels(seed, 2.0), normal_kernels(seed + 1, 1.0)

        def convolutions(widths: Sequence[int]) -> list[keras.layers.Layer]:
            return [layers.Conv2D(width, 3, kernel_initializer=hidden()) for width in widths]

        self.encoder = convolutions([ENCODER] * (LEVELS + 2))
        self.decoder = convolutions([DECODER] * 2 * (LEVELS - 1) + list(LAST))
        self.last = layers.Conv2D(channels, 3, activation="sigmoid", kernel_initializer=last())

    @property
    def variables(self) -> list[Any]:
        """All of them, once it was called."""
        return [each for layer in (*self.encoder, *self.decoder, self.last) for each in layer.trainable_variables]

    def __call__(self, image: tf.Tensor, mask: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """What it says of an image whose numbers are hidden where the mask is 0; dropout by a seed, int32 [2]."""
        x = image * mask
        skips = [x]
        for number, conv in enumerate(self.encoder):
            x, mask = partial(conv, x, mask)
            if 1 <= number <= LEVELS:
                x, mask = (tf.nn.max_pool2d(each, 2, 2, "VALID") for each in (x, mask))
                skips.append(x)
        skips.pop()
        seeds = tf.random.experimental.stateless_split(seed, len(self.decoder) + 1)
        for number, conv in enumerate(self.decoder):
            if number % 2 == 0:
                x = tf.repeat(tf.repeat(x, 2, 1), 2, 2)
                x = tf.concat([x, skips.pop()], -1)
            x = tf.nn.leaky_relu(conv(mirrored(_dropped(x, seeds[number]))), SLOPE)
        return self.last(mirrored(_dropped(x, seeds[len(self.decoder)])))


def partial(conv: keras.layers.Layer, x: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A convolution of what is shown, divided by the share of it, and where anything was.

    Args:
        conv: without padding.
        x: [B, H, W, C].
        mask: [B, H, W, C or 1], of 0 and 1.
    """
    padded = tf.pad(tf.reduce_mean(mask, -1, keepdims=True), [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=1)
    share = tf.nn.avg_pool2d(padded, 3, 1, "VALID")
    shown = tf.cast(share > 0, tf.float32)
    result = conv(mirrored(x * mask))
    bias = tf.convert_to_tensor(conv.bias)
    return tf.nn.leaky_relu((result - bias) * shown / tf.maximum(share, 1e-6) + bias, SLOPE), shown


def _dropped(x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return tf.nn.experimental.stateless_dropout(x, DROPPED, seed)
