"""An array of any axes as planes, read when they are asked for. Imports no TensorFlow."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from n2n_tf.config import UsageError

ALL = slice(None)


@dataclass(frozen=True)
class Planes:
    """The planes of an array.

    Args:
        array: NumPy, dask, Zarr or what else has `shape` and `dtype` and takes numbers and slices; [..., H, W], or
            [..., H, W, C] if its last axis is that of the channels. Nothing of it is read before it is asked for.
        channels: number of the axis of the channels, which may stand before H and W too; None: each plane is gray.
        colors: how many of the channels are taken, the first; 0: all. An alpha channel is left out so.

    Raises:
        UsageError: no such axes, or an axis without any element.
    """

    array: Any
    channels: int | None = None
    colors: int = 0

    def __post_init__(self) -> None:
        axes, least = len(self.array.shape), 2 if self.channels is None else 3
        if axes < least or 0 in self.array.shape:
            raise UsageError(f"an array of shape {tuple(self.array.shape)}: wanted planes, {least} axes of some length")
        if self.channels is not None and self.channels not in {*range(axes - 2), axes - 1}:
            raise UsageError(f"axis {self.channels} of {axes} for the channels: wanted one before H and W, or the last")

    @property
    def last(self) -> bool:
        """Whether the channels are the last axis."""
        return self.channels == len(self.array.shape) - 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """[H, W, C] of each plane."""
        height, width = self.array.shape[-3:-1] if self.last else self.array.shape[-2:]
        count = 1 if self.channels is None else self.colors or self.array.shape[self.channels]
        return int(height), int(width), int(count)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.array.dtype)

    @property
    def nbytes(self) -> int:
        """Of the whole array."""
        return math.prod(map(int, self.array.shape)) * self.dtype.itemsize

    @property
    def outer(self) -> tuple[int, ...]:
        """Lengths of the axes that count the planes: those before H and W, but for the channels'."""
        axes = len(self.array.shape) - 2 - self.last
        return tuple(int(self.array.shape[axis]) for axis in range(axes) if axis != self.channels)

    def __len__(self) -> int:
        return math.prod(self.outer)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.read(number) for number in range(len(self)))

    def place(self, number: int, rows: slice = ALL, columns: slice = ALL) -> tuple[Any, ...]:
        """Where a window of a plane lies in the array: [H, W], [C, H, W] or [H, W, C] of it."""
        at = [int(each) for each in np.unravel_index(number, self.outer)] if self.outer else []
        some = slice(0, self.shape[2])
        if self.last:
            return (*at, rows, columns, some)
        if self.channels is not None:
            return (*at[: self.channels], some, *at[self.channels :], rows, columns)
        return (*at, rows, columns)

    def read(self, number: int, rows: slice = ALL, columns: slice = ALL) -> np.ndarray:
        """A window of a plane, [H, W, C] as stored."""
        found = np.asarray(self.array[self.place(number, rows, columns)])
        if self.channels is None:
            return found[..., None]
        return found if self.last else np.moveaxis(found, 0, -1)

    def write(self, target: np.ndarray, number: int, plane: np.ndarray) -> None:
        """Put a plane, [H, W, C], into an array of the same axes."""
        given = plane[..., 0] if self.channels is None else plane if self.last else np.moveaxis(plane, -1, 0)
        target[self.place(number)] = given
