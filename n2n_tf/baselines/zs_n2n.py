"""Zero-shot Noise2Noise: a small network, fitted to two half-size images of one."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from n2n_tf.baselines.fitting import divisible, fitted, normal_kernels

FEATURES, SLOPE = 48, 0.2
RATE, HALVED = 1e-3, 1000  # the learning rate, and after how many steps it is halved


def zs_n2n(image: np.ndarray, steps: int = 2000, seed: int = 0) -> np.ndarray:
    """y - f(y), f fitted to say of each of two half-size images d1 y and d2 y what makes it the other.

    loss = ½(|d1 y - f(d1 y) - d2 y|² + |d2 y - f(d2 y) - d1 y|²) + ½(|d1 y - f(d1 y) - d1(y - f(y))|² + the same with
    d2), means over pixels. Assumes noise of zero mean that is independent between pixels.

    Args:
        image: float32 [H, W, C], in units of the value range.
        steps, seed: of fitting.

    Returns:
        float32 [H, W, C].

    Raises:
        ValueError: it diverged.

    Source: Mansour, Heckel, "Zero-Shot Noise2Noise", CVPR 2023. Written after the paper.
    """
    height, width, channels = image.shape
    noisy = tf.constant(divisible(image, 2)[None])
    network = zs_network(channels, seed)
    halves = pair(noisy)

    def loss(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        one, other = (half - network(half) for half in halves)
        denoised = noisy - network(noisy)
        first, second = pair(denoised)
        residual = _distance(one, halves[1]) + _distance(other, halves[0])
        consistency = _distance(one, first) + _distance(other, second)
        return (residual + consistency) / 2, denoised

    rate = keras.optimizers.schedules.ExponentialDecay(RATE, HALVED, 0.5, staircase=True)
    for _ in fitted("zs_n2n", loss, network.trainable_variables, rate, steps, seed):
        pass
    return (noisy - network(noisy)).numpy()[0, :height, :width]


def zs_network(channels: int, seed: int) -> keras.Model:
    """Two 3×3 convolutions and one 1×1, float32 [B, H, W, C] -> the noise; 22,275 parameters at 3 channels."""
    kernel = normal_kernels(seed, 2 / (1 + SLOPE**2))
    noisy = x = keras.Input((None, None, channels))
    for _ in range(2):
        x = layers.Conv2D(FEATURES, 3, padding="same", kernel_initializer=kernel())(x)
        x = layers.LeakyReLU(SLOPE)(x)
    return keras.Model(noisy, layers.Conv2D(channels, 1, kernel_initializer=normal_kernels(seed + 1, 0.01)())(x))


def pair(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Means of the two diagonals of each 2×2 pixels, [B, H, W, C] -> twice [B, H/2, W/2, C]."""
    rows = image[:, ::2], image[:, 1::2]
    return (rows[0][:, :, 1::2] + rows[1][:, :, ::2]) / 2, (rows[0][:, :, ::2] + rows[1][:, :, 1::2]) / 2


def _distance(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(one - other))
