"""JPEG: encoded anew, with the old file's EXIF, profile and comments. Its pixels are read by Pillow."""

import logging
import struct
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
from PIL import Image

from n2n_tf.formats.encoding import QUALITY, splice, squeezed
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.format import Pages
from n2n_tf.formats.page import Page
from n2n_tf.formats.pillow import page_of

logger = logging.getLogger(__name__)

KEPT = {*range(0xE0, 0xEE), 0xEF, 0xFE}  # APP0-13, APP15, comment; APP14 tells how the old file was encoded
OTHERS = b"MPF\0"  # begins an APP2 that is an index of further pictures behind the image


def header(path: str) -> list[Page]:
    """The image.

    Raises:
        UnusableImageError: several of one size, or another colour model.
    """
    with Image.open(path) as image:
        page = page_of(path, image)
        if image.format == "MPO":
            _check_only_picture(image)
        return [page]


def _check_only_picture(image: Image.Image) -> None:
    """Raise UnusableImageError if a JPEG has others of its size behind it; smaller ones are previews and gain maps."""
    size = image.size
    for number in range(1, image.n_frames):  # type: ignore[attr-defined]
        try:
            image.seek(number)
        except Exception:  # of many kinds; an editor left the index of pictures that are gone
            return
        if image.size == size:
            raise UnusableImageError("several pictures of one size in a JPEG (MPO); save them as files")


def write(source: str, target: Path, images: Pages) -> None:
    """As `Format.write`."""
    encoded = imagecodecs.jpeg8_encode(squeezed(next(images)[1]), level=QUALITY, subsampling="444")
    segments = dict(_segments(encoded[:64]))
    begin = 2 + len(segments[0xE0]) if 0xE0 in segments else 2  # the old file's APP0 has the resolution
    old = list(_segments(Path(source).read_bytes()))
    kept = b"".join(segment for marker, segment in old if marker in KEPT and segment[4:8] != OTHERS)
    if any(segment[4:8] == OTHERS for _, segment in old):
        logger.info("%s: left out are smaller pictures behind its image (a preview, a gain map)", source)
    splice(target, encoded[:2] + encoded[begin:], 2, kept)


def _segments(data: bytes | bytearray) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of each segment before the pixels."""
    position = 2
    while data[position : position + 1] == b"\xff" and len(data) >= position + 4:
        if data[position + 1] == 0xFF:  # a fill byte
            position += 1
            continue
        marker, size = struct.unpack(">xBH", data[position : position + 4])
        if marker == 0xDA:
            return
        yield marker, bytes(data[position : position + 2 + size])
        position += 2 + size
