"""The axes of a TIFF's planes, as OME-XML, ImageJ, MetaMorph, Zeiss and tifffile describe them."""

import math
from xml.etree import ElementTree

import numpy as np
import tifffile

from n2n_tf.formats.axes import NOWHERE, Axes
from n2n_tf.formats.tiff.stack import stack_of

INSIDE = "YXS"  # of a plane


def axes(path: str) -> list[Axes]:
    """Of each set of planes; those of a page of several planes that is refused are not told."""
    with tifffile.TiffFile(path) as tiff:
        names = _channel_names(tiff)
        if stack := stack_of(tiff):
            letters, sizes = _outside(tiff.series[0])
            if math.prod(sizes) != stack.planes:  # of some stacks tifffile sees the first plane alone
                letters, sizes = "I", (stack.planes,)
            return [Axes(letters, np.arange(stack.planes).reshape(sizes))]
        found = []
        for number, series in enumerate(tiff.series):
            letters, sizes = _outside(series)
            ours = [page.index if page and page.parent is tiff else NOWHERE for page in series]
            numbers = np.array(ours)
            if len(numbers) == math.prod(sizes):
                found.append(Axes(letters, numbers.reshape(sizes), names.get(number, ())))
        return found


def _outside(series: tifffile.TiffPageSeries) -> tuple[str, tuple[int, ...]]:
    kept = [(axis, size) for axis, size in zip(series.axes, series.shape, strict=True) if axis not in INSIDE]
    return "".join(axis for axis, _ in kept), tuple(size for _, size in kept)


def _channel_names(tiff: tifffile.TiffFile) -> dict[int, tuple[str, ...]]:
    """By the number of the image in the OME-XML, which is that of the series."""
    try:
        tree = ElementTree.fromstring(tiff.ome_metadata or "<none/>")
    except ElementTree.ParseError:
        return {}
    found = {}
    images = (each for each in tree.iter() if each.tag.rpartition("}")[2] == "Image")
    for number, image in enumerate(images):
        channels = [each.get("Name", "") for each in image.iter() if each.tag.rpartition("}")[2] == "Channel"]
        if any(channels):
            found[number] = tuple(channels)
    return found
