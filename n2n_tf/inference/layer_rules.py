"""How each layer's output depends on its input, along one axis of an image."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

Interval = tuple[int, int]  # first and last pixel along one axis
ROWS_AND_COLUMNS = (1, 2)  # axes of [B, H, W, C]


@dataclass(frozen=True)
class Axis:
    """One axis of a tensor, rows or columns, beside the image's.

    Attributes:
        along: which one of the image it follows: 0 rows, 1 columns.
        scale: image pixels for each of its pixels.
        over: pixels that it has beside the image's, in its scale: what padding adds.
        mirrored: whether it runs the other way.
    """

    along: int
    scale: Fraction = Fraction(1)
    over: int = 0
    mirrored: bool = False


@dataclass(frozen=True)
class Rule:
    """A layer along one axis of its output.

    Attributes:
        after: the output's axis.
        needs: output pixels, and the cell in them -> input pixels; all counted from where a cell begins.
        source: the axis of the input: 0 rows, 1 columns.
    """

    after: Axis
    needs: Callable[[int, int, int], Interval]
    source: int


def rule_of(layer: Any, number: int, axes: tuple[Axis, Axis]) -> Rule:
    """How axis `number` of a layer's output depends on its input, whose axes are given.

    Raises:
        ValueError: not known.
    """
    known = _RULES.get(type(layer).__name__)
    rule = known(layer, number, axes) if known else None
    if rule is None:
        raise unknown(layer)
    return rule


def unknown(layer: Any, why: str = "") -> ValueError:
    """The error of a layer without a rule."""
    return ValueError(f"the receptive field of layer {layer.name!r} ({type(layer).__name__}) is not known{why}")


def _convolution(layer: Any, number: int, axes: tuple[Axis, Axis]) -> Rule | None:
    if set(layer.strides) != {1}:
        return None
    around = layer.dilation_rate[number] * (layer.kernel_size[number] - 1)
    before, lost = (around // 2, 0) if layer.padding == "same" else (0, around)
    return _moved(axes[number], number, -before, around - before, -lost)


def _padding(layer: Any, number: int, axes: tuple[Axis, Axis]) -> Rule | None:
    before, behind = layer.padding[number]
    return _moved(axes[number], number, -before, -before, before + behind)


def _cropping(layer: Any, number: int, axes: tuple[Axis, Axis]) -> Rule | None:
    before, behind = layer.cropping[number]
    return _moved(axes[number], number, before, before, -before - behind)


def _moved(axis: Axis, number: int, first_by: int, last_by: int, longer: int) -> Rule:
    after = replace(axis, over=axis.over + longer)
    return Rule(after, lambda first, last, cell: (first + first_by, last + last_by), number)


def _pooling(layer: Any, number: int, axes: tuple[Axis, Axis]) -> Rule | None:
    side, axis = layer.pool_size[0], axes[number]
    if {*layer.pool_size, *layer.strides} != {side} or (layer.padding == "same" and axis.over):
        return None
    after = replace(axis, scale=axis.scale * side, over=axis.over // side)
    return Rule(after, lambda first, last, cell: (first * side, last * side + side - 1), number)


def _transposed(layer: Any, number: int, axes: tuple[Axis, Axis]) -> Rule | None:
    side = layer.strides[0]
    return _enlarging(side, number, axes[number]) if {*layer.kernel_size, *layer.strides} == {side} else None


def _upsampling(layer: Any, number: int, axes: tuple[Axis, Axis]) -> Rule | None:
    nearest = layer.interpolation == "nearest" and len({*layer.size}) == 1
    return _enlarging(layer.size[0], number, axes[number]) if nearest else None


def _enlarging(side: int, number: int, axis: Axis) -> Rule:
    after = replace(axis, scale=axis.scale / side, over=axis.over * side)
    return Rule(after, lambda first, last, cell: (first // side, last // side), number)


def _flip(layer: Any, number: int, axes: tuple[Axis, Axis]) -> Rule | None:
    flipped, axis = _axes(layer.axis), axes[number]
    if not flipped <= set(ROWS_AND_COLUMNS):
        return None
    if ROWS_AND_COLUMNS[number] not in flipped:
        return _moved(axis, number, 0, 0, 0)

    def needs(first: int, last: int, cell: int) -> Interval:
        end = cell + axis.over - 1
        return end - last, end - first

    return Rule(replace(axis, mirrored=not axis.mirrored), needs, number)


def _permute(layer: Any, number: int, axes: tuple[Axis, Axis]) -> Rule | None:
    if tuple(layer.dims) != (2, 1, 3):
        return None
    return Rule(axes[1 - number], lambda first, last, cell: (first, last), 1 - number)


def _pixelwise(layer: Any, number: int, axes: tuple[Axis, Axis]) -> Rule | None:
    return _moved(axes[number], number, 0, 0, 0) if _axes(getattr(layer, "axis", -1)) <= {-1, 3} else None


def _axes(axis: Any) -> set[int]:
    return set(axis) if isinstance(axis, list | tuple) else {axis}


_RULES: dict[str, Callable[[Any, int, tuple[Axis, Axis]], Rule | None]] = {
    **dict.fromkeys(("Conv2D", "DepthwiseConv2D", "SeparableConv2D"), _convolution),
    **dict.fromkeys(("MaxPooling2D", "AveragePooling2D"), _pooling),
    "Conv2DTranspose": _transposed,
    "UpSampling2D": _upsampling,
    "ZeroPadding2D": _padding,
    "Cropping2D": _cropping,
    "Flip": _flip,
    "Permute": _permute,
    **dict.fromkeys(
        ("Activation", "Add", "BatchNormalization", "Concatenate", "Divide", "Dropout", "LeakyReLU", "Maximum",
         "Multiply", "PReLU", "ReLU", "Rescaling", "Subtract", "Take", "TrueDivide"),
        _pixelwise,
    ),
}  # fmt: skip
