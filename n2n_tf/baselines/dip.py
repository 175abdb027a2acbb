"""Deep image prior: a network that makes the image of fixed random numbers learns the picture before the noise."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from n2n_tf.baselines.fitting import divisible, fitted, mirrored, normal_kernels, on_own_range
from n2n_tf.compat import KerasTensor

SCALES, FEATURES, SKIP, DEPTH, SLOPE = 5, 128, 4, 32, 0.2  # DEPTH: channels of the input
STRENGTH, JITTER = 0.1, 1 / 30  # of the input, uniform; of the normal numbers that each step adds to it
RATE, MEMORY = 0.01, 0.99  # the learning rate; what the mean of the results keeps of itself in a step
LOOK, FALL = 100, 5.0  # steps between looks; dB of PSNR to the noisy image that take it back to the look before


def dip(image: np.ndarray, steps: int = 3000, seed: int = 0) -> np.ndarray:
    """The exponential mean of what f makes of z in each step, f fitted to |f(z + n) - y|², z fixed and n new.

    Assumes nothing of the noise but that it is harder to make than the picture. Too many steps make the noise too:
    how many are best depends on the image.

    Args:
        image: float32 [H, W, C], in units of the value range.
        steps, seed: of fitting.

    Returns:
        float32 [H, W, C]; between the image's darkest and brightest values.

    Raises:
        ValueError: it diverged.

    Source: Ulyanov, Vedaldi, Lempitsky, CVPR 2018, section 3.1 and the settings of its supplement for denoising.
        Written after the paper; edges are mirrored with the edge pixel.
    """
    height, width, channels = image.shape
    unit, low, span = on_own_range(image)
    noisy = tf.constant(unit[None])
    network = dip_network(channels, seed)
    sides = divisible(image, 2**SCALES).shape[:2]
    z = STRENGTH * tf.random.stateless_uniform([1, *sides, DEPTH], [seed, -1])

    def loss(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        jittered = z + JITTER * tf.random.stateless_normal(z.shape, number)
        made = network(jittered, training=True)[:, :height, :width]
        return tf.reduce_mean(tf.square(made - noisy)), made

    mean, kept, best = tf.zeros_like(noisy), network.get_weights(), np.inf
    for number, (error, made) in enumerate(fitted("dip", loss, network.trainable_variables, RATE, steps, seed)):
        mean = MEMORY * mean + (1 - MEMORY) * made
        if number % LOOK == 0:
            if error > best * 10 ** (FALL / 10):
                network.set_weights(kept)
            else:
                kept, best = network.get_weights(), error
    mean /= 1 - MEMORY**steps  # of the zeros that it began with
    return (mean.numpy()[0] * span + low).astype(np.float32)


def dip_network(channels: int, seed: int) -> keras.Model:
    """An hourglass of 5 scales, 128 features, with 4 on each bridge; [B, H, W, 32] -> [B, H, W, C] in 0 to 1."""
    kernel = normal_kernels(seed, 2 / (1 + SLOPE**2))

    def conv(x: KerasTensor, filters: int, size: int = 3, stride: int = 1) -> KerasTensor:
        x = Mirrored()(x) if size == 3 else x
        x = layers.Conv2D(filters, size, stride, kernel_initializer=kernel())(x)
        return layers.LeakyReLU(SLOPE)(layers.BatchNormalization(epsilon=1e-5)(x))

    def scale(x: KerasTensor, left: int) -> KerasTensor:
        bridge = conv(x, SKIP, 1)
        deep = conv(conv(x, FEATURES, stride=2), FEATURES)
        deep = scale(deep, left - 1) if left > 1 else deep
        deep = layers.UpSampling2D(interpolation="bilinear")(deep)
        x = layers.BatchNormalization(epsilon=1e-5)(layers.Concatenate()([bridge, deep]))
        return conv(conv(x, FEATURES), FEATURES, 1)

    z = keras.Input((None, None, DEPTH))
    last = layers.Conv2D(channels, 1, activation="sigmoid", kernel_initializer=kernel())
    return keras.Model(z, last(scale(z, SCALES)))


class Mirrored(layers.Layer):
    """A margin of one pixel, as `mirrored`."""

    def call(self, image: tf.Tensor) -> tf.Tensor:
        return mirrored(image)
