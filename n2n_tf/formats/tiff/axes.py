"""The axes of a TIFF's planes, as OME-XML, ImageJ, MetaMorph, Zeiss and tifffile describe them."""

import math

import numpy as np
import tifffile

from n2n_tf.formats.axes import NOWHERE, Axes
from n2n_tf.formats.tiff.stack import stack_of
from n2n_tf.formats.tiff.told import Told, told

INSIDE = "YXS"  # of a plane


def axes(path: str) -> list[Axes]:
    """Of each set of planes; those of a page of several planes that is refused are not told."""
    with tifffile.TiffFile(path) as tiff:
        descriptions = told(tiff)
        if stack := stack_of(tiff):
            letters, sizes = _outside(tiff.series[0])
            if math.prod(sizes) != stack.planes:  # of some stacks tifffile sees the first plane alone
                letters, sizes = "I", (stack.planes,)
            steps = descriptions.get(0, Told()).steps
            return [Axes(letters, np.arange(stack.planes).reshape(sizes), steps=steps)]
        found = []
        for number, series in enumerate(tiff.series):
            letters, sizes = _outside(series)
            ours = [page.index if page and page.parent is tiff else NOWHERE for page in series]
            numbers, its = np.array(ours), descriptions.get(number, Told())
            if len(numbers) == math.prod(sizes):
                found.append(Axes(letters, numbers.reshape(sizes), its.channels, its.steps, its.name))
        return found


def _outside(series: tifffile.TiffPageSeries) -> tuple[str, tuple[int, ...]]:
    kept = [(axis, size) for axis, size in zip(series.axes, series.shape, strict=True) if axis not in INSIDE]
    return "".join(axis for axis, _ in kept), tuple(size for _, size in kept)
