"""The U-Net of the paper's experiments (section 5.1)."""

import keras
import numpy as np
from keras import layers

from n2n_tf.compat import KerasTensor
from n2n_tf.config import lookup

LEVELS = 5  # 2×2 poolings
SLOPE = 0.2  # of LeakyReLU


def unet(
    channels: int = 3, features: int = 48, init: str = "default", seed: int | None = None, residual: bool = False
) -> keras.Model:
    """The U-Net of Laine et al. with three 1×1 convolutions at its end.

    Args:
        channels: C, of input and output.
        features: width of the encoder; the decoder is twice as wide. The paper's is 48: 1,259,475
            parameters at 3 channels.
        init: a name of `INITS`.
        seed: of the initial weights; None draws them anew each time.
        residual: add the image to the result. Not the paper's; better in short training, colours above all.

    Returns:
        Functional model of stock layers, float32 [B, H, W, C] -> [B, H, W, C], intensities nominally in
        [0, 1]. H and W must be multiples of 32.

    Source: paper section 5.1. The slope 0.2 and the skips from the pooled tensors are the authors' code's.
    """
    variances = lookup(INITS, init, "init")
    seeds = np.random.default_rng(seed)  # one for each kernel: layers of one shape must differ

    def kernel(kind: str) -> keras.initializers.Initializer:
        return keras.initializers.VarianceScaling(
            variances[kind], "fan_in", "untruncated_normal", seed=int(seeds.integers(2**31))
        )

    def conv(x: KerasTensor, filters: int, name: str, size: int = 3) -> KerasTensor:
        x = layers.Conv2D(filters, size, padding="same", kernel_initializer=kernel("conv"), name=name)(x)
        return layers.LeakyReLU(SLOPE, name=f"{name}_act")(x)

    def up(x: KerasTensor, name: str) -> KerasTensor:
        return layers.Conv2DTranspose(x.shape[-1], 2, strides=2, kernel_initializer=kernel("up"), name=name)(x)

    image = keras.Input((None, None, channels), name="image")
    skips = [image]
    x = conv(image, features, "enc_conv0")
    for level in range(1, LEVELS + 1):
        x = conv(x, features, f"enc_conv{level}")
        x = layers.MaxPooling2D(name=f"pool{level}")(x)
        skips.append(x)
    x = conv(x, features, f"enc_conv{LEVELS + 1}")

    for level in range(LEVELS, 0, -1):
        x = layers.Concatenate(name=f"skip{level}")([up(x, f"up{level}"), skips[level - 1]])
        x = conv(x, 2 * features, f"dec_conv{level}a")
        x = conv(x, 2 * features, f"dec_conv{level}b")

    x = conv(x, 2 * features, "nin_a", size=1)
    x = conv(x, 2 * features, "nin_b", size=1)
    # float32 also under mixed precision: an 8-bit step is finer than bfloat16 resolves
    last = layers.Conv2D(channels, 1, kernel_initializer=kernel("last"), dtype="float32", name="nin_c")
    x = last(x)
    if residual:
        x = layers.Add(dtype="float32", name="denoised")([image, x])
    return keras.Model(image, x, name="residual_unet" if residual else "unet")


HE = 2 / (1 + SLOPE**2)  # keeps the variance through LeakyReLU (He et al. 2015); variance = HE / fan_in
INITS: dict[str, dict[str, float]] = {  # variance times fan_in, by kind of layer
    "default": {"conv": HE, "up": HE, "last": 0.1**2 * HE},
    "authors": {"conv": 0.1**2 * 2, "up": 0.1**2 * 2, "last": 0.1**2 * 2},
}
