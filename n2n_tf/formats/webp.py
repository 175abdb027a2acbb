"""WebP: lossless if the old file was, with its EXIF, profile and XMP; read by Pillow."""

import struct
from pathlib import Path

from PIL import Image

from n2n_tf.formats.encoding import QUALITY, squeezed
from n2n_tf.formats.format import Pages


def write(source: str, target: Path, images: Pages) -> None:
    """As `Format.write`."""
    with Image.open(source) as old:
        kept = {name: old.info[name] for name in ("exif", "icc_profile", "xmp") if old.info.get(name)}
    lossless = b"VP8L" in _chunks(source)
    image = Image.fromarray(squeezed(next(images)[1]))
    image.save(target, "WEBP", quality=QUALITY, lossless=lossless, exact=True, **kept)


def _chunks(path: str) -> list[bytes]:
    data, position, found = Path(path).read_bytes(), 12, []
    while position + 8 <= len(data):
        kind, size = struct.unpack("<4sI", data[position : position + 8])
        found.append(kind)
        position += 8 + size + size % 2
    return found
