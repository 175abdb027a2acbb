"""A network fitted to one image, for denoisers that do so."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from n2n_tf import compat
from n2n_tf.progress import ProgressLine

PAUSE = 60.0  # seconds between lines that say how far it is, in a log file too

Loss = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]  # (seed) -> what is minimized, and the network's result


def fitted(
    what: str, loss: Loss, variables: Sequence[Any], rate: Any, steps: int, seed: int
) -> Iterator[tuple[float, tf.Tensor]]:
    """Steps of Adam, as they are asked for, with a progress bar.

    Args:
        what: is fitted, for the bar.
        loss: of int32 [2], another in each step; all that it draws must follow from that.
        variables: of the network, built.
        rate: learning rate, or a schedule.
        steps: how many.
        seed: of the whole.

    Yields:
        After each step, the loss and the result before it.

    Raises:
        ValueError: the loss is not a number any more.
    """
    optimizer = keras.optimizers.Adam(rate)
    compat.build(optimizer, variables)

    @tf.function
    def step(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            error, result = loss(number)
        compat.apply_gradients(optimizer, tape.gradient(error, variables), variables)
        return error, result

    said = time.monotonic()
    with ProgressLine(what, steps) as line:
        for number in range(steps):
            error, result = step(tf.constant([seed, number], tf.int32))
            if not np.isfinite(error):
                raise ValueError(f"{what} diverged: the loss of step {number + 1} is {float(error):g}")
            yield float(error), result
            line.advance()
            if time.monotonic() > said + PAUSE:
                said = time.monotonic()
                line.say(f"{what}, step {number + 1} of {steps}")


def normal_kernels(seed: int, gain: float) -> Callable[[], keras.initializers.Initializer]:
    """Normal initial weights of variance gain / fan in, other ones for each layer that asks."""
    seeds = np.random.default_rng(seed)
    return lambda: keras.initializers.VarianceScaling(
        gain, "fan_in", "untruncated_normal", seed=int(seeds.integers(2**31))
    )


def mirrored(image: tf.Tensor, margin: int = 1) -> tf.Tensor:
    """[B, H, W, C] with a margin all around that repeats the pixels at the edges, in reverse order."""
    return tf.pad(image, [[0, 0], [margin, margin], [margin, margin], [0, 0]], "SYMMETRIC")


def divisible(image: np.ndarray, by: int) -> np.ndarray:
    """[H, W, C], mirrored at its right and bottom to sides that are multiples of `by`."""
    missing = [(0, -side % by) for side in image.shape[:2]]
    return np.pad(image, [*missing, (0, 0)], "symmetric")


def on_own_range(image: np.ndarray) -> tuple[np.ndarray, float, float]:
    """An image with its darkest value at 0 and its brightest at 1, for networks that end in a sigmoid; low and span."""
    low, span = float(image.min()), float(np.ptp(image)) or 1.0
    return ((image - low) / span).astype(np.float32), low, span
