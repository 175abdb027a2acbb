"""The 8 flips and rotations of an image: the mean of what a network makes of them, and how far that spreads."""

from collections.abc import Callable

import numpy as np

TURNS = tuple((quarters, mirror) for quarters in range(4) for mirror in (1, -1))  # the first leaves it as it is


def turned(image: np.ndarray, quarters: int, mirror: int) -> np.ndarray:
    """An image [H, W, C], mirrored and turned by quarters."""
    return np.rot90(image[:, ::mirror], quarters)


def back(image: np.ndarray, quarters: int, mirror: int) -> np.ndarray:
    """The inverse of `turned`."""
    return np.rot90(image, -quarters)[:, ::mirror]


def over_turns(network: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> tuple[np.ndarray, ...]:
    """What a network makes of an image in each position, put back.

    Sums of departures from the first result are held, not the 8 results.

    Args:
        network: float32 [H, W, C] -> the same shape, of any sides.
        image: float32 [H, W, C].

    Returns:
        The result of the image as it is, the mean and the standard deviation of all 8; float32 [H, W, C].
    """
    first = network(image)
    shift, squares = np.zeros_like(first), np.zeros_like(first)
    for turn in TURNS[1:]:
        departure = back(network(turned(image, *turn)), *turn) - first
        shift += departure / len(TURNS)
        squares += np.square(departure) / len(TURNS)
    return first, first + shift, np.sqrt(np.maximum(squares - np.square(shift), 0))
