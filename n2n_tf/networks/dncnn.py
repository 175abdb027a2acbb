"""DnCNN, the small classic."""

from typing import Any

import keras
import numpy as np
from keras import layers

from n2n_tf.compat import KerasTensor
from n2n_tf.config import lookup

DEPTH = 17


def dncnn(channels: int = 3, features: int = 64, init: str = "default", seed: int | None = None) -> keras.Model:
    """17 convolutions that predict the noise, with batch normalization between the first and the last.

    Args:
        channels: C, of input and output.
        features: width; 64 in its paper.
        init: a name of `INITS`.
        seed: of the initial weights; None draws them anew each time.

    Returns:
        Functional model of stock layers, float32 [B, H, W, C] -> [B, H, W, C], any H and W.

    Source: Zhang et al., "Beyond a Gaussian denoiser", IEEE TIP 2017, section III.
    """
    variance = lookup(INITS, init, "init")
    seeds = np.random.default_rng(seed)

    def conv(x: KerasTensor, name: str, filters: int = features, **kwargs: Any) -> KerasTensor:
        start = keras.initializers.VarianceScaling(
            variance, "fan_in", "untruncated_normal", seed=int(seeds.integers(2**31))
        )
        return layers.Conv2D(filters, 3, padding="same", kernel_initializer=start, name=name, **kwargs)(x)

    image = keras.Input((None, None, channels), name="image")
    x = layers.ReLU(name="act1")(conv(image, "conv1"))
    for number in range(2, DEPTH):
        x = conv(x, f"conv{number}", use_bias=False)
        # over all replicas: the same whatever their number
        x = layers.BatchNormalization(synchronized=True, name=f"norm{number}")(x)
        x = layers.ReLU(name=f"act{number}")(x)
    noise = conv(x, f"conv{DEPTH}", channels, dtype="float32")
    return keras.Model(image, layers.Subtract(dtype="float32", name="denoised")([image, noise]), name="dncnn")


INITS = {"default": 2.0}  # variance times fan_in (He et al. 2015)
