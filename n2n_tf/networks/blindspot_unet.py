"""A U-Net that never sees the pixel whose value it predicts."""

from collections.abc import Callable, Mapping

import keras
import numpy as np
from keras import layers

from n2n_tf.compat import KerasTensor, ops
from n2n_tf.config import lookup
from n2n_tf.networks.unet import INITS, LEVELS, SLOPE

TURNS = (0, 3, 2, 1)  # quarters, counterclockwise; the order of the authors' weights


def blindspot_unet(
    channels: int = 3, features: int = 48, init: str = "default", seed: int | None = None, hole: int = 1
) -> keras.Model:
    """The U-Net with a blind spot: four passes over the image in its four rotations, the weights shared.

    In each pass padding shifts convolutions and poolings, so that a result depends on the rows up to its own; one more
    shift leaves out its own row, and 1×1 convolutions put together what was seen from above, below, left and right.
    So the derivative of a pixel's result by the pixel itself is exactly 0.

    Args:
        channels: C, of input and output.
        features: width of the encoder; the decoder is twice as wide. 48: 1,425,651 parameters at 3 channels.
        init: a name of `INITS`, as for `unet`.
        seed: of the initial weights; None draws them anew each time.
        hole: side of the blind spot in pixels, odd: 2s - 1 for a last shift of s rows. More than 1 where noise is
            shared by neighbours.

    Returns:
        Functional model of stock layers and operators, float32 [B, H, W, C] -> [B, H, W, C]. H and W must be multiples
        of 32, and may differ.

    Raises:
        ValueError: a hole that is even or below 1.

    Source: Laine et al. 2019, "High-Quality Self-Supervised Deep Image Denoising", section 2 and its appendix. Slope,
    transposed convolutions and layout are those of Neighbor2Neighbor's authors; the larger hole is that of Chen et al.
    2023, "Exploring Asymmetric Tunable Blind-Spots for Self-supervised Denoising", section 3.
    """
    if hole < 1 or hole % 2 == 0:
        raise ValueError(f"hole {hole}: has a pixel in its middle; wanted an odd number")
    once = Shared(lookup(INITS, init, "init"), seed)

    def conv(x: KerasTensor, filters: int, name: str, size: int = 3) -> KerasTensor:
        if size > 1:
            x = layers.ZeroPadding2D(((size - 1, 0), (size // 2, size // 2)))(x)
        x = once(name, lambda start: layers.Conv2D(filters, size, kernel_initializer=start, name=name))(x)
        return once(f"{name}_act", lambda _: layers.LeakyReLU(SLOPE, name=f"{name}_act"))(x)

    def up(x: KerasTensor, name: str) -> KerasTensor:
        filters = x.shape[-1]
        return once(
            name, lambda start: layers.Conv2DTranspose(filters, 2, strides=2, kernel_initializer=start, name=name)
        )(x)

    def seen_from_above(x: KerasTensor) -> KerasTensor:
        skips = [x]
        x = conv(x, features, "enc_conv0")
        for level in range(1, LEVELS + 1):
            x = conv(x, features, f"enc_conv{level}")
            x = layers.MaxPooling2D()(layers.ZeroPadding2D(((1, 0), (0, 0)))(x))  # its own last row falls off
            skips.append(x)
        x = conv(x, features, f"enc_conv{LEVELS + 1}")
        for level in range(LEVELS, 0, -1):
            x = layers.Concatenate()([up(x, f"up{level}"), skips[level - 1]])
            x = conv(x, 2 * features, f"dec_conv{level}a")
            x = conv(x, 2 * features, f"dec_conv{level}b")
        shift = hole // 2 + 1
        return layers.Cropping2D(((0, shift), (0, 0)))(layers.ZeroPadding2D(((shift, 0), (0, 0)))(x))

    image = keras.Input((None, None, channels), name="image")
    x = layers.Concatenate(name="seen")([turned(seen_from_above(turned(image, turn)), 4 - turn) for turn in TURNS])
    x = conv(x, 8 * features, "nin_a", size=1)
    x = conv(x, 2 * features, "nin_b", size=1)
    name = f"nin_c_hole{hole}"  # so that weights tell the hole, and that they are not the plain U-Net's
    last = once(name, lambda start: layers.Conv2D(channels, 1, kernel_initializer=start, dtype="float32", name=name))
    return keras.Model(image, last(x), name="blindspot_unet")


class Shared:
    """Layers by name: made in the first pass, used in all.

    Args:
        variances: of initial weights, times fan_in, by kind of layer.
        seed: of these.
    """

    def __init__(self, variances: Mapping[str, float], seed: int | None):
        self.variances, self.seeds = variances, np.random.default_rng(seed)
        self.layers: dict[str, keras.layers.Layer] = {}

    def __call__(
        self, name: str, make: Callable[[keras.initializers.Initializer], keras.layers.Layer]
    ) -> keras.layers.Layer:
        """The layer of this name, which `make` makes of the distribution of its weights."""
        if name not in self.layers:
            kind = "up" if name.startswith("up") else "last" if name.startswith("nin_c") else "conv"
            seed = int(self.seeds.integers(2**31))
            self.layers[name] = make(
                keras.initializers.VarianceScaling(self.variances[kind], "fan_in", "untruncated_normal", seed=seed)
            )
        return self.layers[name]


def turned(x: KerasTensor, quarters: int) -> KerasTensor:
    """Rotated counterclockwise."""
    if quarters % 4 == 1:
        return ops.flip(layers.Permute((2, 1, 3))(x), (1,))
    if quarters % 4 == 2:
        return ops.flip(x, (1, 2))
    return layers.Permute((2, 1, 3))(ops.flip(x, (1,))) if quarters % 4 == 3 else x
