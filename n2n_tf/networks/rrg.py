"""Recursive residual groups: the stronger network of the paper's raw experiment (table 2)."""

from typing import Any

import keras
import numpy as np
from keras import layers

from n2n_tf.compat import KerasTensor, ops
from n2n_tf.config import lookup

GROUPS, BLOCKS = 4, 8  # dual attention blocks in a group
REDUCTION = 16  # of features in the channel attention


def rrg(channels: int = 4, features: int = 64, init: str = "default", seed: int | None = None) -> keras.Model:
    """The denoiser of CycleISP (Zamir et al., CVPR 2020).

    Each block weighs its features twice, by where they are (spatial attention) and by what they are (channel
    attention, from their mean over the whole image), and adds both to its input. One PReLU serves all blocks.

    Args:
        channels: C, of input and output: 4 for packed Bayer raw.
        features: width; 64 in the paper: 2,836,100 parameters at 4 channels.
        init: a name of `INITS`.
        seed: of the initial weights; None draws them anew each time.

    Returns:
        Functional model of stock layers and operators, float32 [B, H, W, C] -> [B, H, W, C], any H and W.

    Source: paper section 5.3 and CycleISP section 3.3; the 3×3 spatial attention is the authors' weights'.
    """
    variance = lookup(INITS, init, "init")
    seeds = np.random.default_rng(seed)
    prelu = layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2], name="prelu")

    def conv(x: KerasTensor, name: str, filters: int = features, size: int = 3, **kwargs: Any) -> KerasTensor:
        start = keras.initializers.VarianceScaling(variance, "fan_in", "uniform", seed=int(seeds.integers(2**31)))
        return layers.Conv2D(filters, size, padding="same", kernel_initializer=start, name=name, **kwargs)(x)

    def block(x: KerasTensor, name: str) -> KerasTensor:
        y = conv(prelu(conv(x, f"{name}_conv1")), f"{name}_conv2")
        extremes = layers.Concatenate()([ops.max(y, axis=-1, keepdims=True), ops.mean(y, axis=-1, keepdims=True)])
        where = conv(extremes, f"{name}_where", 1, use_bias=False, activation="sigmoid")
        mean = layers.GlobalAveragePooling2D(keepdims=True)(y)
        few = conv(mean, f"{name}_what1", max(1, features // REDUCTION), size=1, activation="relu")
        what = conv(few, f"{name}_what2", size=1, activation="sigmoid")
        both = layers.Concatenate()([layers.Multiply()([y, where]), layers.Multiply()([y, what])])
        return layers.Add()([x, conv(both, f"{name}_merge", size=1)])

    image = keras.Input((None, None, channels), name="image")
    x = conv(image, "head")
    for group in range(GROUPS):
        y = x
        for number in range(BLOCKS):
            y = block(y, f"group{group}_block{number}")
        x = layers.Add()([x, conv(y, f"group{group}_conv")])
    x = prelu(conv(x, "body"))
    last = conv(x, "tail", channels, dtype="float32")
    return keras.Model(image, layers.Add(dtype="float32", name="denoised")([image, last]), name="rrg")


INITS = {"default": 1 / 3, "authors": 1 / 3}  # variance times fan_in: PyTorch's own, which the authors leave as it is
