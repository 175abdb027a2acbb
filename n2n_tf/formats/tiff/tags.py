"""Carry a TIFF page's descriptive tags to another file, byte for byte."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import tifffile

from n2n_tf.formats.errors import UnusableImageError

KEPT = (  # about the image, not about how the file stores it
    269, 270, 271, 272, 274, 285, 286, 287, 297, 305, 306, 315, 316, 700, 33432, 33723, 34377, 34675,
)  # fmt: skip
STORAGE = {  # how a file stores its pixels; the writer makes its own
    *range(254, 260), 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 282, 283, 284, 288, 289, 292, 293, 296,
    317, 320, 322, 323, 324, 325, 326, 327, 328, 330, 332, 338, 339, 340, 341, 347, *range(512, 522), 529, 530, 531,
    532, 559, 34665, 34853, 40965,  # directories are copied on their own
    50674,  # parameters of LERC
}  # fmt: skip
PLACED = {  # what is true of the old file only: places in it, or the old pixels themselves
    400, 33560,  # directories of the standard for fax, and of Olympus
    33628, 33629, 33630, 33631,  # MetaMorph's stacks
    34412,  # Zeiss LSM
    37724,  # Photoshop's layers
    65426, 65432, 65433,  # Hamamatsu
}  # fmt: skip
IFD_TYPES = (13, 18)  # pointers to directories
RATIONALS = (5, 10)  # types
MOST_PAGES = 2**15  # each is found by way of those before it; a damaged chain of them can be a circle
Tag = tuple[int, int, int, Any, bool]  # as tifffile takes them: code, type, count, value, for the first page only
DIRECTORIES = (34665, 34853)  # EXIF, GPS: pointers to a directory of tags
INTEROPERABILITY = 40965  # such a pointer inside EXIF
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def check_pages(tiff: tifffile.TiffFile) -> None:
    """Raise UnusableImageError if there are too many pages; tifffile itself would go on to the chain's end."""
    try:
        tiff.pages[MOST_PAGES]
    except IndexError:
        return
    raise UnusableImageError(f"more than {MOST_PAGES} pages, or they form a circle; split the file")


def copied_tags(
    page: tifffile.TiffPage, codes: Sequence[int] | None = None, directories: Sequence[int] = DIRECTORIES
) -> dict[str, Any]:
    """What `tifffile.TiffWriter.write` needs to give a page the tags of another.

    The writer takes no pointers to directories: places are reserved for them under the codes before theirs, which
    images do not use; `copy_directories` fills them.
    """
    tags: list[Tag] = []
    if codes is None:  # all that stay true
        codes = sorted({tag.code for tag in page.tags if tag.dtype not in IFD_TYPES} - STORAGE - PLACED)
    for code in codes:
        if code in page.tags:
            tag = page.tags[code]
            page.parent.filehandle.seek(tag.valueoffset)
            value = page.parent.filehandle.read(tag.valuebytecount)
            if tag.dtype in RATIONALS:  # of bytes the writer would count numerators and denominators
                value = tag.value
            tags.append((code, tag.dtype, tag.count, value, False))
    pointer, empty = (16, bytes(8)) if page.parent.is_bigtiff else (4, bytes(4))
    tags += [(code - 1, pointer, 1, empty, False) for code in directories if code in page.tags]
    copied: dict[str, Any] = {"extratags": tags}
    resolution = [page.tags[code].value for code in (282, 283) if code in page.tags]
    if len(resolution) == 2 and all(np.size(each) == 2 and each[1] for each in resolution):  # else it is damaged
        unit = page.tags[296].value if 296 in page.tags else 2
        copied.update(resolution=tuple(resolution), resolutionunit=unit if unit in (1, 2, 3) else 1)
    return copied


def lost_tags(page: tifffile.TiffPage) -> set[str]:
    """Names of the tags that `copied_tags` leaves out, those of how pixels are stored not counted."""
    lost = (tag for tag in page.tags if tag.code in PLACED or (tag.dtype in IFD_TYPES and tag.code not in STORAGE))
    return {tag.name for tag in lost}


def copy_directories(sources: Sequence[tifffile.TiffPage], target: Path) -> None:
    """Give each page of `target` the EXIF and GPS directories of its source page. Byte order and kind are equal."""
    with tifffile.TiffFile(target) as written:
        places = [
            (source, code, page.aspage().tags[code - 1].offset)
            for source, page in zip(sources, written.pages, strict=True)
            for code in DIRECTORIES
            if code in source.tags
        ]
    with open(target, "r+b") as file:
        for source, code, offset in places:
            layout = _Layout(source.parent.byteorder, source.parent.is_bigtiff)
            old = source.parent.filehandle
            old.seek(source.tags[code].offset + layout.entry_size - layout.word)
            (begin,) = layout.unpack(layout.pointer, old.read(layout.word))
            moved = _copy_directory(old, begin, file, layout)
            file.seek(offset)
            file.write(layout.pack("H", code))
            file.seek(offset + layout.entry_size - layout.word)
            file.write(layout.pack(layout.pointer, moved))


class _Layout:
    """Sizes in classic TIFF and BigTIFF."""

    def __init__(self, byteorder: str, big: bool):
        self.byteorder = byteorder
        self.count, self.pointer, self.word, self.entry_size = ("Q", "Q", 8, 20) if big else ("H", "I", 4, 12)

    def pack(self, form: str, *values: Any) -> bytes:
        return struct.pack(self.byteorder + form, *values)

    def unpack(self, form: str, data: bytes) -> tuple[Any, ...]:
        return struct.unpack(self.byteorder + form, data)


def _copy_directory(
    old: IO | tifffile.FileHandle, begin: int, new: IO, layout: _Layout, pointers: tuple[int, ...] = (INTEROPERABILITY,)
) -> int:
    """Append the directory at `begin` of one file to another; return where it is there.

    Raises:
        UnusableImageError: it claims to hold more than the file does.
    """
    old.seek(0, 2)
    left = old.tell()
    old.seek(begin)
    (count,) = layout.unpack(layout.count, old.read(struct.calcsize(layout.count)))
    entries = [old.read(layout.entry_size) for _ in range(min(count, 1000))]
    moved = []
    for entry in entries:
        code, kind, number = layout.unpack("HH" + layout.pointer, entry[: 4 + layout.word])
        size = SIZES.get(kind, 0) * number
        (value,) = layout.unpack(layout.pointer, entry[-layout.word :])
        if code in pointers:
            value = _copy_directory(old, value, new, layout, pointers=())
            entry = entry[: -layout.word] + layout.pack(layout.pointer, value)
        elif size > layout.word:
            left -= size
            if left < 0:
                raise UnusableImageError("its EXIF or GPS directory is damaged: it claims to be larger than the file")
            old.seek(value)
            entry = entry[: -layout.word] + layout.pack(layout.pointer, _append(new, old.read(size)))
        moved.append(entry)
    body = layout.pack(layout.count, len(moved)) + b"".join(moved) + bytes(layout.word)
    return _append(new, body)


def _append(file: IO, data: bytes) -> int:
    """Write at the end, on an even offset; return it."""
    end = file.seek(0, 2)
    file.write(bytes(end % 2) + data)
    return end + end % 2
