"""The formats: a file is of the one that its first bytes tell, a folder of the one that a file in it marks."""

import os
from pathlib import Path

from n2n_tf.config import RAW_SUFFIXES
from n2n_tf.formats import bmp, dng, jpeg, pillow, png, raw, webp
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.format import Format
from n2n_tf.formats.microscopes import Microscope
from n2n_tf.formats.tiff import reader as tiff
from n2n_tf.formats.tiff.axes import axes as tiff_axes
from n2n_tf.formats.tiff.writer import write_tiff

TIFF_BYTES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
TIFF_SUFFIXES = frozenset({".tif", ".tiff", ".btf", ".stk", ".lsm"})
RAW_BYTES = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
GPL_CZI = "bioio-czi (under the GPL, so n2n-tf does not bring it)"
_ROWS = (
    Format("PNG", (b"\x89PNG\r\n\x1a\n",), frozenset({".png"}), png.header, png.read, png.write),
    Format("JPEG", (b"\xff\xd8\xff",), frozenset({".jpg", ".jpeg"}), jpeg.header, pillow.read, jpeg.write),
    Format("BMP", (b"BM",), frozenset({".bmp"}), pillow.header, pillow.read, bmp.write),
    Format("GIF", (b"GIF87a", b"GIF89a"), frozenset({".gif"}), pillow.header, pillow.read),
    Format("WebP", (b"RIFF",), frozenset({".webp"}), pillow.header, pillow.read, webp.write),
    Format("TIFF", TIFF_BYTES, TIFF_SUFFIXES, tiff.header, tiff.read, write_tiff, axes=tiff_axes),
    Format("camera raw", RAW_BYTES, RAW_SUFFIXES, raw.header, raw.read, dng.write_dng, True, becomes=".dng"),
    Microscope("Zeiss CZI", "bioio-czi", GPL_CZI, bgr=True).format((b"ZISRAWFILE",), ".czi"),
    Microscope("Nikon ND2", "bioio-nd2").format((b"\xda\xce\xbe\n",), ".nd2", by_suffix=True),  # old ones: as JPEG 2000
    Microscope("Leica LIF", "bioio-lif", options=(("chunk_dims", "YXS"),)).format((b"p\0\0\0",), ".lif"),
    Microscope("DeltaVision", "bioio-dv").format((), ".dv", ".r3d", by_suffix=True),  # they are marked at byte 96
)
FORMATS = {each.name: each for each in _ROWS}


def suffixes() -> frozenset[str]:
    """Of all formats, lower case."""
    return frozenset().union(*(each.suffixes for each in FORMATS.values()))


def becoming(path: str | Path) -> tuple[str, str] | None:
    """The name of a file's format, by its suffix, and that of its result, where these are of another format."""
    suffix = os.path.splitext(path)[1].lower()
    found = (each for each in FORMATS.values() if suffix in each.suffixes and each.becomes not in ("", suffix))
    return next(((each.name, each.becomes) for each in found), None)


def marked(names: set[str]) -> Format | None:
    """The format of a folder that holds entries of these names; None if it is a folder like others."""
    return next((each for each in FORMATS.values() if each.marks & names), None)


def format_of(path: str | Path) -> Format:
    """The format of a file or folder.

    Raises:
        UnusableImageError: none of `FORMATS`.
        OSError: it cannot be read.
    """
    if os.path.isdir(path):
        if found := marked(set(os.listdir(path))):
            return found
        raise UnusableImageError("a folder, and no image")
    with open(path, "rb") as file:
        first = file.read(16)
    if not first:
        raise UnusableImageError("the file is empty")
    suffix = os.path.splitext(path)[1].lower()
    for each in FORMATS.values():
        if each.by_suffix and suffix in each.suffixes:
            return each
    for each in FORMATS.values():
        if each.first_bytes and first.startswith(each.first_bytes):
            return each
    raise UnusableImageError(f"not a {', '.join(FORMATS)} file: it begins with {first[:8]!r}")
