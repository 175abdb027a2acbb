"""What the table tells of a format."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from n2n_tf.formats.axes import Axes
from n2n_tf.formats.page import Page

Pages = Iterator[tuple[int, np.ndarray]]  # numbers of the source's pages, and what to write in their place


@dataclass(frozen=True)
class Format:
    """A format of image files.

    Attributes:
        name: for messages.
        first_bytes: one of them begins each file of the format.
        suffixes: lower case, with the point; of files that are taken from folders.
        header: path -> its images, from headers alone.
        read: path, number of the image -> its pixels, [H, W] or [H, W, C] as stored.
        write: path of the source, path to write, images; None if the format is only read.
        by_suffix: a file of these suffixes is one whatever its first bytes, which other formats share.
        axes: path -> how its images lie along time, depth and channels; None if it has no such axes.
        marks: names of files that make the folder they lie in an image of this format.
        becomes: suffix of what is written, where that is another format; "" where it is this one.
    """

    name: str
    first_bytes: tuple[bytes, ...]
    suffixes: frozenset[str]
    header: Callable[[str], list[Page]]
    read: Callable[[str, int], np.ndarray]
    write: Callable[[str, Path, Pages], None] | None = None
    by_suffix: bool = False
    axes: Callable[[str], list[Axes]] | None = None
    marks: frozenset[str] = frozenset()
    becomes: str = ""
