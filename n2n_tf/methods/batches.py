"""What batches must be: of a form that the sub-sampler and the network take, with intensities as values."""

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.compat import output_shape
from n2n_tf.intensities import BEYOND, MOST, NO_NUMBERS, check_intensities

if TYPE_CHECKING:
    from n2n_tf.methods.base import Method

ASSERTED = r"assertion failed: \[(.*? images have .*?; wanted intensities in \[0, 1\](?:: scale them)?)\]"
LARGEST_CELL = 2**9  # that is looked for


def check_form(images: Any, name: str, method: "Method") -> None:
    """Raise ValueError if a batch, known by its shape and dtype, has another form than the method and network take."""
    shape, channels = tf.TensorShape(images.shape), method.network.input_shape[-1]
    dtype = tf.as_dtype(images.dtype)
    if not dtype.is_floating:
        raise ValueError(f"{name} images are {dtype.name}; wanted float32 in [0, 1]: divide integers")
    if shape.rank != 4 or shape[-1] not in (None, channels):
        came = "no known shape" if shape.rank is None else f"shape {tuple(shape)}"
        raise ValueError(f"{name} images have {came}; wanted [B, H, W, {channels}]")
    sides = tuple(shape[1:3])
    part = method.divides
    unequal = any(side is not None and side % part for side in sides)
    if unequal or (None not in sides and not _takes_parts(method.network, sides, part)):
        divided = {1: "", 2: ", which are halved"}.get(part, f", which are divided by {part}")
        raise ValueError(f"{name} images have sides {sides}; wanted {_wanted(method.network, part)}{divided}: crop")


def checked(data: Any, names: tuple[str, ...], method: "Method") -> Any:
    """What `fit` is given, after the checks: arrays at once, a dataset's values as they come."""
    if isinstance(data, tuple | list):
        return tuple(checked(part, names[number : number + 1], method) for number, part in enumerate(data))
    if isinstance(data, tf.data.Dataset):
        return _checked_dataset(data, ("noisy", method.second), method)
    if names and isinstance(data, np.ndarray | tf.Tensor):
        check_form(data, names[0], method)  # here too: Keras makes floats of integers
        check_intensities(np.asarray(data))
    return data


@contextlib.contextmanager
def value_errors() -> Iterator[None]:
    """What the checks of a dataset's values raise becomes a ValueError."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if said := re.search(ASSERTED, str(error)):
            raise ValueError(said[1]) from error
        raise


def _checked_dataset(batches: tf.data.Dataset, names: tuple[str, str], method: "Method") -> tf.data.Dataset:
    form = batches.element_spec
    parts = form if isinstance(form, tuple) else (form,)
    if not all(isinstance(part, tf.TensorSpec) for part in parts):
        return batches  # the step says what is wrong
    for part, name in zip(parts, names, strict=False):
        check_form(part, name, method)

    def asserted(*parts: tf.Tensor) -> Any:
        images = [_asserted(part, name) for part, name in zip(parts, names, strict=False)]
        whole = (*images, *parts[len(images) :])
        return whole if isinstance(form, tuple) else whole[0]

    return batches.map(asserted)


def _asserted(images: tf.Tensor, name: str) -> tf.Tensor:
    """The images; InvalidArgumentError when they come, in a graph without XLA, if `check_intensities` would raise."""
    most = tf.reduce_max(tf.abs(images))
    beyond = tf.strings.format(f"{name} images have {BEYOND.format('{}', 'them')}", most)
    numbers = tf.debugging.Assert(tf.reduce_all(tf.math.is_finite(images)), [f"{name} images have {NO_NUMBERS}"])
    with tf.control_dependencies([numbers]):  # first: the largest of what is no number is none
        within = tf.debugging.Assert(most <= MOST, [beyond])
    with tf.control_dependencies([within]):
        return tf.identity(images)


def _takes_parts(network: keras.Model, sides: tuple[int, int], part: int) -> bool:
    """Whether a network takes images of these sides, and of these divided."""
    return _takes(network, sides) and _takes(network, (sides[0] // part, sides[1] // part))


def _takes(network: keras.Model, sides: tuple[int, int]) -> bool:
    shape = (1, *sides, network.input_shape[-1])
    try:
        fits = all(fixed in (None, side) for fixed, side in zip(network.input_shape, shape, strict=True))
        return fits and output_shape(network, shape) == shape
    except NotImplementedError:  # a model of its own kind does not tell; training will
        return True
    except ValueError:
        return False


def _wanted(network: keras.Model, part: int) -> str:
    for cell in (2**power for power in range(LARGEST_CELL.bit_length())):
        if _takes_parts(network, (part * cell, part * cell), part):
            return {1: "any", 2: "even ones"}.get(part * cell, f"multiples of {part * cell}")
    return "such as the network gives back"
