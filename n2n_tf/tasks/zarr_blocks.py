"""An array cut into blocks that can be denoised and written one by one."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Region = tuple[slice, ...]
LONGEST = 4096  # side of a block in pixels: a minute of the paper's U-Net on two cores is lost with it at a kill


@dataclass(frozen=True)
class Blocks:
    """Regions of equal shape that cover an array once; those at its ends may be smaller.

    Args:
        shape: of the array.
        block: of a region; a multiple of what is written at once, so that no two regions share that.
    """

    shape: tuple[int, ...]
    block: tuple[int, ...]

    def __len__(self) -> int:
        return math.prod(self._counts)

    def __getitem__(self, number: int) -> Region:
        place = np.unravel_index(number, self._counts)
        corners = [int(index) * side for index, side in zip(place, self.block, strict=True)]
        ends = (min(a + side, n) for a, side, n in zip(corners, self.block, self.shape, strict=True))
        return tuple(slice(a, b) for a, b in zip(corners, ends, strict=True))

    @property
    def _counts(self) -> list[int]:
        return [-(-length // side) for length, side in zip(self.shape, self.block, strict=True)]


def block_shape(
    shape: Sequence[int], unit: Sequence[int], most: float, need: Callable[[tuple[int, ...]], float]
) -> tuple[int, ...]:
    """The largest block of whole units, with sides up to `LONGEST` along the last two axes, that needs no more.

    Args:
        shape: of the array.
        unit: what is written at once.
        most: that may be needed.
        need: of a block; if that of one unit is more, that is the block.
    """
    whole = [-(-length // side) * side for length, side in zip(shape, unit, strict=True)]
    side = LONGEST
    while True:
        sides = [min(n, max(one, side // one * one)) for n, one in zip(whole[-2:], unit[-2:], strict=True)]
        block = (*unit[:-2], *sides)
        if need(block) <= most or side <= min(unit[-2:]):
            return block
        side //= 2


def widened(region: Region, margin: int, cell: int, shape: Sequence[int]) -> tuple[Region, Region]:
    """A region with at least a margin around it in the last two axes, and its place in that.

    Args:
        region: of the array.
        margin: in pixels; a multiple of `cell`, at least one.
        cell: what the corners are aligned to; at the ends of the array its end.
        shape: of the array.
    """
    outer, inner = list(region), [slice(None)] * len(region)
    for axis in (-2, -1):
        start = max(0, (region[axis].start - margin) // cell * cell)
        stop = min(shape[axis], -(-(region[axis].stop + margin) // cell) * cell)
        outer[axis] = slice(start, stop)
        inner[axis] = slice(region[axis].start - start, region[axis].stop - start)
    return tuple(outer), tuple(inner)


def is_fill(block: np.ndarray, fill: Any) -> np.ndarray:
    """Which pixels are the fill value, which may be not a number."""
    return np.isnan(block) if fill != fill else block == fill


def no_data(block: np.ndarray, fill: Any) -> np.ndarray:
    """Which pixels are the fill value, infinite or not a number."""
    return is_fill(block, fill) | ~np.isfinite(block)


def blank(block: np.ndarray, fill: Any, chunks: Sequence[int]) -> np.ndarray:
    """Which chunks of a block hold no data, bool, one for each chunk."""
    none = no_data(block, fill)
    for axis, side in enumerate(chunks):
        none = np.logical_and.reduceat(none, range(0, none.shape[axis], side), axis)
    return none


def region_of(chunk: Sequence[int], chunks: Sequence[int]) -> Region:
    """Where a chunk of a block lies in it."""
    return tuple(slice(index * side, (index + 1) * side) for index, side in zip(chunk, chunks, strict=True))
