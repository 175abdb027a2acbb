"""A dilated network that never sees the pixel whose value it predicts."""

from typing import Any

import keras
import numpy as np
from keras import layers

from n2n_tf.compat import KerasTensor
from n2n_tf.config import lookup

MODULES = 9  # dilated convolutions of each branch
BRANCHES = (2, 3)  # their dilations; the hole of a branch lies in the middle of a kernel of 2·dilation - 1 pixels


def dbsnl(
    channels: int = 3, features: int = 128, init: str = "default", seed: int | None = None, modules: int = MODULES
) -> keras.Model:
    """The blind-spot network of AP-BSN: a convolution whose kernel has a hole, then dilated ones that step over it.

    After a kernel of 3×3 without its middle, dilated by 2, no sum of steps comes back to the pixel itself; of 5×5,
    dilated by 3, likewise. So the derivative of a pixel's result by the pixel itself is exactly 0.

    Args:
        channels: C, of input and output.
        features: width; even. The authors' is 128.
        init: a name of `INITS`.
        seed: of the initial weights; None draws them anew each time.
        modules: dilated convolutions of each branch.

    Returns:
        Functional model of stock layers, float32 [B, H, W, C] -> [B, H, W, C], any H and W. The authors' file counts
        3,656,131 parameters at 3 channels: 2·features² of them lie in the holes, have no effect, and are not here.

    Source: Lee et al. 2022, "AP-BSN", section 4 and its supplement, after Wu et al. 2020, "Unpaired Learning of Deep
    Image Denoising", section 3.
    """
    variances = lookup(INITS, init, "init")
    seeds = np.random.default_rng(seed)

    def conv(
        x: KerasTensor, name: str, filters: int = features, size: int | tuple[int, int] = 1, share: float = 1,
        **kwargs: Any,
    ) -> KerasTensor:  # fmt: skip
        variance = variances.get(name.rstrip("0123456789").rpartition("_")[2], variances["conv"]) * share
        start = keras.initializers.VarianceScaling(variance, "fan_in", "uniform", seed=int(seeds.integers(2**31)))
        return layers.Conv2D(filters, size, kernel_initializer=start, name=name, **kwargs)(x)

    def holed(x: KerasTensor, name: str, around: int) -> KerasTensor:
        """A convolution of 2·around + 1 pixels without the middle: the rows above, those below, left and right."""
        wide, side = (around, 2 * around + 1), (around, 0)
        parts = []
        for part, size, rows, columns, cut in (
            ("above", wide, side, (around, around), ((0, 1), (0, 0))),
            ("below", wide, side[::-1], (around, around), ((1, 0), (0, 0))),
            ("left", (1, around), (0, 0), side, ((0, 0), (0, 1))),
            ("right", (1, around), (0, 0), side[::-1], ((0, 0), (1, 0))),
        ):
            y = layers.ZeroPadding2D((rows, columns))(x)
            share = size[0] * size[1] / (2 * around + 1) ** 2  # of the kernel: one variance for all of it
            y = conv(y, f"{name}_{part}", size=size, share=share, use_bias=part == "above")
            parts.append(layers.Cropping2D(cut)(y))
        return layers.Add()(parts)

    def branch(x: KerasTensor, number: int, dilation: int) -> KerasTensor:
        name = f"branch{number}"
        x = _relu(holed(x, f"{name}_hole", dilation - 1))
        for place in ("in_a", "in_b"):
            x = _relu(conv(x, f"{name}_{place}"))
        for module in range(modules):
            y = conv(x, f"{name}_dilated{module}", size=3, padding="same", dilation_rate=dilation)
            x = layers.Add()([x, conv(_relu(y), f"{name}_mixed{module}")])
        return _relu(conv(x, f"{name}_out"))

    image = keras.Input((None, None, channels), name="image")
    x = _relu(conv(image, "head"))
    x = layers.Concatenate()([branch(x, number, dilation) for number, dilation in enumerate(BRANCHES, 1)])
    for name, filters in (("tail_a", features), ("tail_b", features // 2), ("tail_c", features // 2)):
        x = _relu(conv(x, name, filters))
    return keras.Model(image, conv(x, "tail_d", channels, dtype="float32"), name="dbsnl")


def _relu(x: KerasTensor) -> KerasTensor:
    return layers.ReLU()(x)


INITS: dict[str, dict[str, float]] = {  # variance times fan_in, by the last word of a layer's name
    "default": {"conv": 2.0, "mixed": 2 / MODULES, "d": 0.1**2 * 2},  # He's; modules that add up to as much
    "authors": {"conv": 1 / 3},  # PyTorch's own, which the authors leave as it is
}
