"""What an output pixel depends on, and what a network keeps in memory: computed from its layers."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import keras

Interval = tuple[int, int]  # first and last pixel along one axis


@dataclass(frozen=True)
class Footprint:
    """What tiles need to know of a network.

    The paper's U-Net of 48 features: cell 32, reach 128, receptive field 288.

    Attributes:
        cell: the network treats images alike that are shifted by this many pixels: the product of its poolings.
        reach: how many pixels beyond its cell the output depends on, at most; on all sides.
        floats_per_pixel: largest number of float32 values held at one time, for each pixel of the image.
    """

    cell: int
    reach: int
    floats_per_pixel: float

    @property
    def receptive_field(self) -> int:
        """Side of the square that an output cell depends on, in pixels."""
        return self.cell + 2 * self.reach


def footprint_of(network: keras.Model) -> Footprint:
    """Walk a functional network: forward for the scale of each tensor, backward for what the output depends on.

    Raises:
        ValueError: a layer whose dependence on its input is not known here.
    """
    try:
        (image,), (result,) = network.inputs, network.outputs
        if isinstance(network, keras.Sequential):
            network = keras.Model(image, result)
        operations = getattr(network, "operations", network.layers)  # an operator like - is none of the layers
        layers = [layer for layer in operations if not isinstance(layer, keras.layers.InputLayer)]
        tensors = {id(image): image, **{id(layer.output): layer.output for layer in layers}}
        inputs = {layer.name: layer.input if isinstance(layer.input, list) else [layer.input] for layer in layers}
        missing = {id(tensor) for each in [*inputs.values(), [result]] for tensor in each} - set(tensors)
    except (AttributeError, TypeError, ValueError):
        missing = {id(network)}
    if missing:
        raise ValueError("the network is not a functional model of layers that are each used once")

    scales = {id(image): Fraction(1)}  # image pixels for each pixel of a tensor
    for layer in layers:
        scales[id(layer.output)] = scales[id(inputs[layer.name][0])] * _rule(layer).scale
    cell = math.lcm(*(scale.numerator for scale in scales.values()))

    needed: dict[int, Interval] = {id(result): (0, cell - 1)}
    for layer in reversed(layers):
        if id(layer.output) in needed:
            interval = _rule(layer).needs(*needed[id(layer.output)])
            for tensor in inputs[layer.name]:
                needed[id(tensor)] = _union(needed.get(id(tensor), interval), interval)
    first, last = needed[id(image)]
    floats = {name: tensor.shape[-1] / float(scales[name]) ** 2 for name, tensor in tensors.items()}
    return Footprint(cell, max(0, -first, last - cell + 1), _most_held(layers, inputs, floats))


@dataclass(frozen=True)
class _Rule:
    """A layer along one axis."""

    scale: Fraction  # input pixels for each output pixel
    needs: Callable[[int, int], Interval]  # output pixels -> input pixels


def _rule(layer: keras.layers.Layer) -> _Rule:
    """How a layer's output depends on its input.

    Raises:
        ValueError: not known.
    """
    known = _RULES.get(type(layer).__name__)
    rule = known(layer) if known else None
    if rule is None:
        raise ValueError(f"the receptive field of layer {layer.name!r} ({type(layer).__name__}) is not known")
    return rule


def _convolution(layer: Any) -> _Rule | None:
    around = max(d * (k - 1) for d, k in zip(layer.dilation_rate, layer.kernel_size, strict=True))
    if set(layer.strides) != {1} or (layer.padding != "same" and around):
        return None
    return _Rule(Fraction(1), lambda first, last: (first - around // 2, last + around - around // 2))


def _pooling(layer: Any) -> _Rule | None:
    side = layer.pool_size[0]
    if {*layer.pool_size, *layer.strides} != {side}:
        return None
    return _Rule(Fraction(side), lambda first, last: (first * side, last * side + side - 1))


def _transposed(layer: Any) -> _Rule | None:
    return _enlarging(layer.strides[0]) if {*layer.kernel_size, *layer.strides} == {layer.strides[0]} else None


def _upsampling(layer: Any) -> _Rule | None:
    return _enlarging(layer.size[0]) if layer.interpolation == "nearest" and len({*layer.size}) == 1 else None


def _enlarging(side: int) -> _Rule:
    return _Rule(Fraction(1, side), lambda first, last: (first // side, last // side))


def _pixelwise(layer: Any) -> _Rule | None:
    axis = getattr(layer, "axis", -1)
    axes = axis if isinstance(axis, list | tuple) else [axis]
    return _Rule(Fraction(1), lambda first, last: (first, last)) if {*axes} <= {-1, 3} else None


_RULES: dict[str, Callable[[Any], _Rule | None]] = {
    **dict.fromkeys(("Conv2D", "DepthwiseConv2D", "SeparableConv2D"), _convolution),
    **dict.fromkeys(("MaxPooling2D", "AveragePooling2D"), _pooling),
    "Conv2DTranspose": _transposed,
    "UpSampling2D": _upsampling,
    **dict.fromkeys(
        ("Activation", "Add", "BatchNormalization", "Concatenate", "Dropout", "LeakyReLU", "Multiply", "PReLU", "ReLU",
         "Rescaling", "Subtract"),
        _pixelwise,
    ),
}  # fmt: skip


def _most_held(layers: list[keras.layers.Layer], inputs: dict[str, list[Any]], floats: dict[int, float]) -> float:
    """Largest sum of tensors that are alive at one time: made already, and still to be used."""
    last_use = {id(tensor): number for number, layer in enumerate(layers) for tensor in inputs[layer.name]}
    alive = set(floats) - {id(layer.output) for layer in layers}
    most = 0.0
    for number, layer in enumerate(layers):
        alive.add(id(layer.output))
        most = max(most, sum(floats[name] for name in alive))
        alive -= {name for name in alive if last_use.get(name, len(layers)) <= number}
    return most


def _union(one: Iterable[int], other: Iterable[int]) -> Interval:
    (a, b), (c, d) = one, other
    return min(a, c), max(b, d)
