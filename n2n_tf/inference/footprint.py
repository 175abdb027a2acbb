"""What an output pixel depends on, and what a network keeps in memory: computed from its layers."""

import math
from dataclasses import dataclass
from typing import Any

import keras

from n2n_tf import compat
from n2n_tf.inference.layer_rules import Axis, Interval, Rule, rule_of, unknown

Step = tuple[Any, list[Any], Any]  # a layer, its inputs, its result
Place = tuple[Interval, Interval]  # rows and columns


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
    image, result, steps = _steps(network)
    axes: dict[int, tuple[Axis, Axis]] = {id(image): (Axis(0), Axis(1))}
    rules: dict[int, tuple[Rule, Rule]] = {}
    for layer, inputs, output in steps:
        first, *others = (axes[id(tensor)] for tensor in inputs)
        if any(other != first for other in others):
            raise unknown(layer, ": its inputs show different places")
        rules[id(output)] = rule_of(layer, 0, first), rule_of(layer, 1, first)
        axes[id(output)] = rules[id(output)][0].after, rules[id(output)][1].after
    if axes[id(result)] != axes[id(image)]:
        raise unknown(steps[-1][0], ": it gives other places than the image's")
    cell = math.lcm(*(axis.scale.numerator for both in axes.values() for axis in both))

    needed: dict[int, Place] = {id(result): ((0, cell - 1), (0, cell - 1))}
    for _, inputs, output in reversed(steps):
        if id(output) in needed:
            cells = tuple(int(cell / axis.scale) for axis in axes[id(output)])
            place = _needs(rules[id(output)], needed[id(output)], cells)
            for tensor in inputs:
                needed[id(tensor)] = _union(needed.get(id(tensor), place), place)
    reach = max(max(0, -first, last - cell + 1) for first, last in needed[id(image)])
    scales = {name: float(both[0].scale * both[1].scale) for name, both in axes.items()}
    floats = {id(tensor): tensor.shape[-1] / scales[id(tensor)] for tensor in [image, *(step[2] for step in steps)]}
    return Footprint(cell, reach, _most_held(image, steps, floats))


def _steps(network: keras.Model) -> tuple[Any, Any, list[Step]]:
    """A network's input, its output, and what it does between them, in order.

    Raises:
        ValueError: it is no functional model with one of each.
    """
    try:
        (image,), (result,) = network.inputs, network.outputs
        if isinstance(network, keras.Sequential):
            network = keras.Model(image, result)
        steps = compat.steps(network)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError("the network is not a functional model of layers, image in, image out") from error
    return image, result, steps


def _needs(rules: tuple[Rule, Rule], place: Place, cells: tuple[int, ...]) -> Place:
    """What of a layer's input a place of its output depends on."""
    found = {rule.source: rule.needs(*place[number], cells[number]) for number, rule in enumerate(rules)}
    return found[0], found[1]


def _most_held(image: Any, steps: list[Step], floats: dict[int, float]) -> float:
    """Largest sum of tensors that are alive at one time: made already, and still to be used."""
    last_use = {id(tensor): number for number, (_, inputs, _) in enumerate(steps) for tensor in inputs}
    alive = {id(image)}
    most = 0.0
    for number, (_, _, output) in enumerate(steps):
        alive.add(id(output))
        most = max(most, sum(floats[name] for name in alive))
        alive -= {name for name in alive if last_use.get(name, len(steps)) <= number}
    return most


def _union(one: Place, other: Place) -> Place:
    (a, b), (c, d) = ((min(p[0], q[0]), max(p[1], q[1])) for p, q in zip(one, other, strict=True))
    return (a, b), (c, d)
