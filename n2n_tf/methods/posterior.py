"""What a pixel probably was, given its surroundings and its own noisy value: the test-time formula of Laine et al."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from n2n_tf.compat import KerasTensor, ops

FORMULA = "posterior_"  # names of all its layers begin so: their numbers are too small for half precision
MEAN, ROOT, VARIANCE, LEVEL = (f"{FORMULA}{name}" for name in ("mu", "root", "noise", "level"))
LEAST = 1e-3  # of a brightness and of a level
FEATURES, CONVOLUTIONS = 48, 4  # of the network that tells the noise level of an image
START = 0.1  # standard deviation of a prediction, at first


def with_posterior(
    network: keras.Model, noise: str, level: float | Sequence[float] | str, seed: int = 0
) -> keras.Model:
    """A blind-spot network that predicts N(μ, Σ) of each clean pixel, and gives its mean given the noisy pixel too.

    x̂ = (Σ⁻¹ + Σn⁻¹)⁻¹ (Σ⁻¹μ + Σn⁻¹y), where Σn is the noise's variance, independent between channels: s², or
    s²·max(μ, 0.001) for Poisson noise, of standard deviation s at brightness 1.

    Args:
        network: blind at each pixel, with a 1×1 convolution at its end, whose input the prediction of Σ shares.
        noise: "gaussian" or "poisson".
        level: s, or that of each channel, if it is known; else "learned", one value for all images, or "image", of
            each image by four convolutions and a mean over all of it, so that tiles cannot tell it.
        seed: of the initial weights.

    Returns:
        Functional model of stock layers and operators, float32 [B, H, W, C] -> [B, H, W, C], which shares the
        network's layers. Those that the loss wants have the names above.

    Raises:
        ValueError: a network with another end.

    Source: Laine et al. 2019, section 3 and appendix; the level by an own small network is ours, theirs is a second
    U-Net.
    """
    last, channels = network.layers[-1], network.output_shape[-1]
    if type(last).__name__ != "Conv2D" or {*last.kernel_size, *last.strides} != {1}:
        raise ValueError(
            "its last layer is no 1×1 convolution; wanted one, which the prediction of Σ shares its input with"
        )
    image = network.inputs[0]
    mean = layers.Activation("linear", dtype="float32", name=MEAN)(network.outputs[0])
    root = layers.Conv2D(
        channels * (channels + 1) // 2, 1, dtype="float32", name=ROOT,
        kernel_initializer=keras.initializers.VarianceScaling(START**2, "fan_in", "untruncated_normal", seed=seed),
        bias_initializer=keras.initializers.Constant(_diagonal(channels)),
    )(last.input)  # fmt: skip
    variance = _variance(image, mean, noise, level, seed)
    parts = [_channels(each) for each in (mean, root, image, variance)]
    means, _, _ = conditioned(*parts)
    denoised = means[0] if channels == 1 else layers.Concatenate(dtype="float32", name=f"{FORMULA}channels")(means)
    denoised = layers.Activation("linear", dtype="float32", name=f"{FORMULA}mean")(denoised)
    return keras.Model(image, denoised, name=f"posterior_{network.name}")


def conditioned(
    mean: Sequence[Any], root: Sequence[Any], noisy: Sequence[Any], variance: Sequence[Any]
) -> tuple[list[Any], list[Any], list[Any]]:
    """N(mean, U·Uᵀ) given noisy values of independent noise, by one channel after the other: no inverse of a matrix.

    Args:
        mean, noisy, variance: of each channel, tensors of one shape; the last, of the noise, above 0.
        root: U, upper triangular, row by row.

    Returns:
        The mean given all noisy values; of each channel, given those before it, the error of its prediction and the
        variance of that: log density -½ Σ (error² / variance + log variance), up to a constant.
    """
    count, mean = len(mean), list(mean)
    covariance = _covariance(root, count)
    errors, variances = [], []
    for c in range(count):
        errors.append(noisy[c] - mean[c])
        variances.append(ops.maximum(covariance[c][c], 0.0) + variance[c])  # rounding may take it below
        gains = [covariance[i][c] / variances[c] for i in range(count)]
        mean = [each + gain * errors[c] for each, gain in zip(mean, gains, strict=True)]
        for j in range(c + 1, count):
            row = covariance[c][j]
            for i in range(count):
                covariance[i][j] = covariance[i][j] - gains[i] * row
    return mean, errors, variances


def _covariance(root: Sequence[Any], count: int) -> list[list[Any]]:
    """U·Uᵀ."""
    numbers = iter(root)
    rows = [{k: next(numbers) for k in range(i, count)} for i in range(count)]

    def entry(i: int, j: int) -> Any:
        first, *others = (rows[i][k] * rows[j][k] for k in range(max(i, j), count))
        return sum(others, first)

    return [[entry(i, j) for j in range(count)] for i in range(count)]


def _variance(image: KerasTensor, mean: KerasTensor, noise: str, level: Any, seed: int) -> KerasTensor:
    """Of the noise, [B, H, W, C]."""
    if noise == "poisson":
        above = layers.ReLU(dtype="float32", name=f"{FORMULA}above")(_scaled(mean, "beyond", 1.0, -LEAST))
        brightness = _scaled(above, "brightness", 1.0, LEAST)
    else:
        brightness = _scaled(mean, "brightness", 0.0, 1.0)
    if not isinstance(level, str):
        square = [each**2 for each in level] if isinstance(level, Sequence) else level**2
        return layers.Rescaling(square, dtype="float32", name=VARIANCE)(brightness)
    x = _scaled(image, "nothing", 0.0) if level == "learned" else _features(image, seed)
    value = layers.Conv2D(1, 1, kernel_initializer="zeros", dtype="float32", name=f"{FORMULA}value")  # else it diverges
    x = layers.Activation("softplus", dtype="float32", name=f"{FORMULA}softplus")(_scaled(value(x), "lower", 1.0, -4.0))
    found = layers.Rescaling(1.0, LEAST, dtype="float32", name=LEVEL)(x)
    return layers.Multiply(dtype="float32", name=VARIANCE)([brightness, found, found])


def _scaled(x: KerasTensor, name: str, scale: float, offset: float = 0.0) -> KerasTensor:
    return layers.Rescaling(scale, offset, dtype="float32", name=f"{FORMULA}{name}")(x)


def _features(x: KerasTensor, seed: int) -> KerasTensor:
    """What tells the level of an image's noise, [B, 1, 1, 48]."""
    for number in range(CONVOLUTIONS):
        start = keras.initializers.HeNormal(seed=seed + 1 + number)
        conv = layers.Conv2D(FEATURES, 3, padding="same", kernel_initializer=start, name=f"noise_conv{number}")
        x = layers.LeakyReLU(0.1)(conv(x))
    return layers.GlobalAveragePooling2D(keepdims=True, dtype="float32")(x)


def _channels(x: KerasTensor) -> list[KerasTensor]:
    return [ops.take(x, [number], axis=-1) for number in range(x.shape[-1])]


def _diagonal(channels: int) -> list[float]:
    return [START * (i == k) for i in range(channels) for k in range(i, channels)]
