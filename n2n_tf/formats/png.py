"""PNG: 1 to 16 bits, with its texts, profiles and times."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np

from n2n_tf.formats.encoding import splice, squeezed
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.format import Pages
from n2n_tf.formats.page import Page, kind_of

CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by colour type; a palette is read as RGB
KEPT = {b"cHRM", b"cICP", b"eXIf", b"gAMA", b"iCCP", b"iTXt", b"pHYs", b"sRGB", b"tEXt", b"tIME", b"zTXt"}


def header(path: str) -> list[Page]:
    """The image.

    Raises:
        UnusableImageError: an animation.
    """
    with open(path, "rb") as file:
        width, height, bits, colour_type = struct.unpack(">16xIIBB", file.read(26))  # signature, then IHDR
        file.seek(33)
        while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
            if head[4:] == b"acTL":
                raise UnusableImageError("an animated PNG; save its frames as files")
            file.seek(int.from_bytes(head[:4], "big") + 4, 1)
    channels = CHANNELS[colour_type]
    return [Page(path, 0, height, width, channels, kind_of(channels), "uint16" if bits == 16 else "uint8")]


def read(path: str, _: int) -> np.ndarray:
    """Its pixels, uint8 or uint16."""
    return imagecodecs.png_decode(Path(path).read_bytes())  # Pillow reduces 16-bit RGB to 8 without a word


def write(source: str, target: Path, images: Pages) -> None:
    """As `Format.write`."""
    encoded = imagecodecs.png_encode(squeezed(next(images)[1]))
    kept = b"".join(chunk for kind, chunk in _chunks(source) if kind in KEPT)
    splice(target, encoded, 33, kept)  # after the signature and IHDR


def _chunks(path: str) -> Iterator[tuple[bytes, bytes]]:
    """Kind and bytes of each chunk but the pixels."""
    with open(path, "rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            if kind == b"IDAT":
                file.seek(size + 4, 1)
                continue
            body = file.read(size + 4)
            if body[size:] == struct.pack(">I", zlib.crc32(kind + body[:size])):  # not of a chunk cut short
                yield kind, head + body
