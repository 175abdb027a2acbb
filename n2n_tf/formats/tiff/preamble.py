"""What programs of microscopes write between a TIFF's header and its first page, where no tag tells of it.

Micro-Manager: pairs of a magic number and a place or size, then a summary; the places are of blocks behind the pages.
https://micro-manager.org/Micro-Manager_File_Formats. ScanImage: two texts and their sizes.
https://docs.scanimage.org/Appendix/ScanImage+BigTiff+Specification.html
"""

import struct
from pathlib import Path
from typing import IO

import tifffile

BEGIN = 8  # of Micro-Manager's, behind the TIFF's own header
MAGIC = (54773648, 483765892, 99384722, 2355492)  # index of pages, display settings, comments, summary
BLOCKS = (347834724, 84720485)  # first numbers of display settings and comments
SCANIMAGE, SCANIMAGE_BEGIN = 0x07030301, 16


def preamble(tiff: tifffile.TiffFile) -> bytes:
    """The bytes to write before the first page of a copy."""
    file, order = tiff.filehandle, tiff.byteorder
    if tiff.is_bigtiff:
        magic, _, *sizes = _numbers(file, order, SCANIMAGE_BEGIN, 4)
        return _bytes(file, SCANIMAGE_BEGIN, 16 + sum(sizes)) if magic == SCANIMAGE else b""
    numbers = _numbers(file, order, BEGIN, 2 * len(MAGIC))
    return _bytes(file, BEGIN, 8 * len(MAGIC) + numbers[-1]) if numbers[::2] == MAGIC else b""


def copy_blocks(old: tifffile.TiffFile, target: Path) -> list[str]:
    """Append Micro-Manager's display settings and comments to a file with its preamble, and set their places.

    Its index is left out: readers that go by it count on pixels 162 bytes behind the begin of each page.

    Returns:
        What is left out.
    """
    if old.is_bigtiff:
        return []
    file, order = old.filehandle, old.byteorder
    header = _numbers(file, order, BEGIN, 2 * len(MAGIC))
    blocks = [b""]
    for place, first in zip(header[3:6:2], BLOCKS, strict=True):
        found, size = _numbers(file, order, place, 2)
        blocks.append(_bytes(file, place, 8 + size) if found == first else b"")
    with open(target, "r+b") as new:
        for number, block in enumerate(blocks):
            place = new.seek(0, 2)
            new.write(block)
            new.seek(BEGIN + 8 * number)
            new.write(struct.pack(order + "2I", *((MAGIC[number], place) if block else (0, 0))))
    return ["Micro-Manager's index"]


def _numbers(file: IO | tifffile.FileHandle, order: str, place: int, count: int) -> tuple[int, ...]:
    """Numbers of 32 bits; zeros where the file ends before them."""
    return struct.unpack(f"{order}{count}I", _bytes(file, place, 4 * count).ljust(4 * count, b"\0"))


def _bytes(file: IO | tifffile.FileHandle, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)
