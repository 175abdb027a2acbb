"""Smaller copies of an image: how many times smaller each is, and the means that make it."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from n2n_tf.formats.errors import UnusableImageError


@dataclass(frozen=True)
class Level:
    """An array of a pyramid.

    Attributes:
        path: its name in the group.
        shape, dtype: of the array.
        chunks: pixels along each axis of what is decoded at once.
        unit: of what is written at once: shards, or the chunks where there are none.
        fill: what pixels are whose chunk is not stored.
        above: number of the level that its means are made of; its own for the first.
        factors: pixels of that one for each of its own, along each axis.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype
    chunks: tuple[int, ...]
    unit: tuple[int, ...]
    fill: Any
    above: int
    factors: tuple[int, ...]


def pyramid(paths: Sequence[str], arrays: Sequence[Any], scales: Sequence[Sequence[float]]) -> tuple[Level, ...]:
    """Describe the levels of a pyramid, the first in full size.

    Args:
        paths: of the arrays.
        arrays: of zarr.
        scales: size of a pixel along each axis, as the metadata tells.

    Raises:
        UnusableImageError: an array is no smaller copy of the first by whole factors.
    """
    full, totals, levels = arrays[0], [], []
    for number, (path, array, scale) in enumerate(zip(paths, arrays, scales, strict=True)):
        if array.dtype != full.dtype:
            raise UnusableImageError(f"array {path}: {array.dtype} pixels; those of {paths[0]} are {full.dtype}")
        told = [ratio(size, first) for size, first in zip(scale, scales[0], strict=True)]
        sizes = zip(full.shape, array.shape, told, strict=True)
        totals.append(tuple(_factor(path, *each) for each in sizes))
        above = next((n for n in range(number - 1, 0, -1) if _divides(totals[n], totals[-1], arrays[n], array)), 0)
        factors = tuple(one // other for one, other in zip(totals[-1], totals[above], strict=True))
        fill = array.dtype.type(0) if array.fill_value is None else array.fill_value  # null in version 2: zarr reads 0
        unit = tuple(array.shards or array.chunks)
        levels.append(Level(path, array.shape, array.dtype, tuple(array.chunks), unit, fill, above, factors))
    return tuple(levels)


def ratio(size: float, first: float) -> int:
    """How many times larger a pixel is, in whole numbers; 0 if that cannot be told."""
    value = size / first if first else 0.0
    return round(value) if math.isfinite(value) else 0


def _factor(path: str, length: int, shorter: int, told: int) -> int:
    """Pixels for each pixel of a shorter axis, whose last one may have fewer, or may have been left out."""
    for factor in (told, round(length / shorter), length // shorter, -(-length // shorter)):
        if factor > 0 and shorter in (length // factor, -(-length // factor)):
            return factor
    raise UnusableImageError(f"array {path}: {shorter} pixels of {length}; wanted a whole factor between them")


def _divides(one: Sequence[int], other: Sequence[int], larger: Any, smaller: Any) -> bool:
    """Whether each pixel of a level can be made of those of another."""
    return all(
        not b % a and (shorter - 1) * (b // a) < length
        for a, b, length, shorter in zip(one, other, larger.shape, smaller.shape, strict=True)
    )


def block_means(image: np.ndarray, factors: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """Means over blocks of pixels, in the same dtype; integers are rounded, halves to even so that no bias adds up.

    Args:
        image: of any number of axes. Floats that are not a number are left out, unless all of a block are.
        factors: pixels of a block along each axis; the last block of an axis may have fewer.
        shape: of the result: as many blocks along each axis, the rest is left out.
    """
    image = image[tuple(slice(0, length * factor) for length, factor in zip(shape, factors, strict=True))]
    if image.dtype.kind == "f" and (missing := np.isnan(image)).any():
        with np.errstate(invalid="ignore"):  # 0 / 0
            return (_sums(np.where(missing, 0, image), factors) / _sums(~missing, factors)).astype(image.dtype)
    starts = (np.arange(0, length, factor) for length, factor in zip(image.shape, factors, strict=True))
    counts = [np.minimum(f, n - start) for f, n, start in zip(factors, image.shape, starts, strict=True)]
    means = _sums(image, factors) / functools.reduce(np.multiply.outer, counts)
    return (means if image.dtype.kind == "f" else np.rint(means)).astype(image.dtype)


def _sums(image: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    """float64, over blocks of pixels. Strided sums: seven times as fast as np.add.reduceat."""
    total = image
    for axis, factor in enumerate(factors):
        if factor > 1:
            along = np.moveaxis(total, axis, 0)
            sums = along[::factor].astype(np.float64)
            for offset in range(1, factor):
                part = along[offset::factor]
                sums[: len(part)] += part
            total = np.moveaxis(sums, 0, axis)
    return total.astype(np.float64, copy=False)
