"""Stacks in one piece: TIFFs of one page, behind whose pixels lie those of further planes.

ImageJ writes hyperstacks so, MetaMorph (STK) and NIH Image all theirs, tifffile those it calls truncated; a volume
(ImageDepth) has its planes inside the page. A plane is read by its place, and written in the place of the old one in
a copy of the file: names, sizes, axes and all that the program put beside them stay byte for byte.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import tifffile

from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.tiff.samples import seen, stored

UIC2 = 33629  # MetaMorph's tag of as many values as there are planes
MOST_PLANES = 2**20
CHUNK = 2**20  # bytes


@dataclass(frozen=True)
class Stack:
    """Planes behind one another in a file.

    Attributes:
        page: that describes them.
        kind: for messages.
        planes: how many.
        offset: of the first in the file.
        shape: of one, as stored.
    """

    page: tifffile.TiffPage
    kind: str
    planes: int
    offset: int
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype:
        """As in the file."""
        return np.dtype(self.page.dtype).newbyteorder(self.page.parent.byteorder)

    @property
    def size(self) -> int:
        """Bytes of a plane."""
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self, number: int) -> np.ndarray:
        """A plane, [H, W] or [H, W, C].

        Raises:
            UnusableImageError: the file does not hold it.
        """
        file = self.page.parent.filehandle
        file.seek(self.offset + number * self.size)
        data = file.read(self.size)
        if len(data) < self.size:
            raise UnusableImageError(f"{self.kind} cut short in plane {number + 1} of {self.planes}")
        plane = np.frombuffer(data, self.dtype).reshape(self.shape).astype(self.dtype.newbyteorder("="))
        return seen(self.page, np.moveaxis(plane, 0, -1) if self.is_planar else plane)

    def write(self, file: IO[bytes], number: int, image: np.ndarray) -> None:
        """Write an image [H, W, C] in the place of a plane.

        Raises:
            UnusableImageError: it is no image like those of the stack.
        """
        numbers, _ = stored(self.page, image)
        numbers = np.moveaxis(numbers, -1, 0) if self.is_planar else numbers
        if numbers.shape != self.shape or numbers.dtype != self.page.dtype:
            raise UnusableImageError(
                f"{numbers.dtype} {numbers.shape} in the place of a plane {self.page.dtype} {self.shape} of {self.kind}"
            )
        file.seek(self.offset + number * self.size)
        file.write(np.ascontiguousarray(numbers, self.dtype).data)

    @property
    def is_planar(self) -> bool:
        return self.page.axes.startswith("S")


def stack_of(tiff: tifffile.TiffFile) -> Stack | None:
    """The stack in one piece that a file is; None if its pages are its planes.

    Raises:
        UnusableImageError: a stack that has more than its one page, is compressed, or is cut short.
    """
    page, several = tiff.pages.first, tiff.pages.is_multipage
    kind, planes = _declared(tiff, page)
    is_truncated = any(told.get("truncated") for told in tiff.shaped_metadata or ())
    if planes <= 1 or (several and not is_truncated and planes <= len(tiff.pages)):
        return None
    if several or page.subifds:
        pages = len(tiff.pages) + len(page.subifds or ())
        raise UnusableImageError(
            f"{kind} of {planes} planes has {pages} pages; wanted one for each plane, or one for all"
        )
    if not _is_whole(page):
        raise UnusableImageError(f"{kind} in one piece, compressed or in parts; save its planes as pages")
    shape = tuple(size for axis, size in zip(page.axes, page.shape, strict=True) if axis != "Z")
    stack = Stack(page, kind, planes, page.dataoffsets[0], shape)
    held = max(tiff.filehandle.size - stack.offset, 0) // max(stack.size, 1)
    if held < planes:
        raise UnusableImageError(f"{kind} of {planes} planes cut short: the file holds {held}")
    if planes > MOST_PLANES:
        raise UnusableImageError(f"{kind} of {planes} planes; at most {MOST_PLANES} are read")
    return stack


def write_stack(stack: Stack, source: str, target: Path, images: Iterator[tuple[int, np.ndarray]]) -> None:
    """Copy a file with images in the place of all its planes, one after the other.

    Raises:
        UnusableImageError: an image unlike the planes, or too few.
        OSError: a file cannot be read or written.
    """
    end = stack.offset + stack.planes * stack.size
    missing = set(range(stack.planes))
    with open(source, "rb") as old, open(target, "wb") as new:
        _copy(old, new, 0, stack.offset)
        _copy(old, new, end, os.fstat(old.fileno()).st_size)
        for number, image in images:
            stack.write(new, number, image)
            missing.discard(number)
    if missing:
        raise UnusableImageError(f"{len(missing)} of the {stack.planes} planes of {stack.kind} are missing")


def _declared(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> tuple[str, int]:
    """What the file calls itself, and how many planes it claims to hold."""
    imagej, samples = tiff.imagej_metadata or {}, page.samplesperpixel
    sizes = [int(imagej.get(name, 1)) for name in ("frames", "slices", "channels")]
    if samples > 1 and sizes[-1] == samples:  # they are those of its pixels
        sizes.pop()
    stacks = {
        "an ImageJ stack": max(int(imagej.get("images", 1)), math.prod(sizes)),
        "a MetaMorph stack": page.tags[UIC2].count if tiff.is_stk and UIC2 in page.tags else 1,
        "an NIH Image stack": (tiff.nih_metadata or {}).get("nSlices", 1),
        "a volume": page.imagedepth,
        "a stack": _shaped(tiff, page),
    }
    kind = max(stacks, key=lambda name: stacks[name])
    return kind, stacks[kind]


def _shaped(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> int:
    """Planes by tifffile's own description, if it says that they have no pages, or if they lie behind the only one."""
    (told, *_) = tiff.shaped_metadata or ({},)
    plane = math.prod(page.shape) // page.imagedepth
    planes = math.prod(told.get("shape", ())) // max(plane, 1)
    if told.get("truncated"):
        return planes
    if tiff.pages.is_multipage or not _is_whole(page):
        return 1
    held = (tiff.filehandle.size - page.dataoffsets[0]) // max(page.nbytes // page.imagedepth, 1)
    return planes if planes <= held else 1  # else it tells of what the page was copied from


def _is_whole(page: tifffile.TiffPage) -> bool:
    """Its pixels lie in one piece, as they are; tifffile itself takes this for granted of MetaMorph's strips."""
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    return page.is_final and "SZ" not in page.axes and all(map(int.__eq__, ends[:-1], page.dataoffsets[1:]))


def _copy(old: IO[bytes], new: IO[bytes], begin: int, end: int) -> None:
    old.seek(begin)
    new.seek(begin)
    while (left := end - old.tell()) > 0 and (data := old.read(min(left, CHUNK))):
        new.write(data)
