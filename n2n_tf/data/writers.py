"""Arrays to image files, as another file was: its format, bit depth and metadata. One writer for each format."""

import logging
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image

from n2n_tf.data.dng import write_dng
from n2n_tf.data.errors import UnusableImageError
from n2n_tf.data.readers import RAW, format_of
from n2n_tf.data.tiff_writer import write_tiff

logger = logging.getLogger(__name__)

QUALITY = 95  # of lossy formats; JPEG without chroma subsampling. The denoised image deserves no new artifacts

PNG_KEPT = {b"cHRM", b"cICP", b"eXIf", b"gAMA", b"iCCP", b"iTXt", b"pHYs", b"sRGB", b"tEXt", b"tIME", b"zTXt"}
JPEG_KEPT = {*range(0xE0, 0xEE), 0xEF, 0xFE}  # APP0-13, APP15, comment; APP14 tells how the old file was encoded
OTHERS = b"MPF\0"  # begins an APP2 that is an index of further pictures behind the image

Pages = Iterator[tuple[int, np.ndarray]]  # numbers of the source's pages, and what to write in their place


def write_like(source: str | Path, target: Path, images: Pages) -> None:
    """Write images in the format of `source`, with its EXIF, ICC profile, resolution and texts.

    JPEG and lossy WebP are encoded with quality 95. A compressed TIFF is compressed with Deflate.

    Args:
        source: the file whose images they were.
        target: path to write.
        images: page number and image, [H, W, C] of any dtype the format has, one after the other; files other
            than TIFF have one.

    Raises:
        UnusableImageError: the format cannot hold them.
        ValueError: as `images` raises it.
        OSError: a file cannot be read or written.
    """
    name = format_of(source)
    if name not in WRITERS:
        raise UnusableImageError(f"{name} files are not written; convert it to PNG")
    try:
        WRITERS[name](str(source), target, images)
    except (ValueError, OSError, MemoryError):
        raise
    except Exception as error:  # codecs and damaged metadata raise RuntimeError, struct.error and many more
        raise UnusableImageError(f"cannot be written: {error or repr(error)}") from error


def _write_png(source: str, target: Path, images: Pages) -> None:
    encoded = imagecodecs.png_encode(_squeezed(next(images)[1]))
    kept = b"".join(chunk for kind, chunk in _png_chunks(source) if kind in PNG_KEPT)
    _splice(target, encoded, 33, kept)  # after the signature and IHDR


def _png_chunks(path: str) -> Iterator[tuple[bytes, bytes]]:
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


def _write_jpeg(source: str, target: Path, images: Pages) -> None:
    encoded = imagecodecs.jpeg8_encode(_squeezed(next(images)[1]), level=QUALITY, subsampling="444")
    segments = dict(_jpeg_segments(encoded[:64]))
    begin = 2 + len(segments[0xE0]) if 0xE0 in segments else 2  # the old file's APP0 has the resolution
    old = list(_jpeg_segments(Path(source).read_bytes()))
    kept = b"".join(segment for marker, segment in old if marker in JPEG_KEPT and segment[4:8] != OTHERS)
    if any(segment[4:8] == OTHERS for _, segment in old):
        logger.info("%s: left out are smaller pictures behind its image (a preview, a gain map)", source)
    _splice(target, encoded[:2] + encoded[begin:], 2, kept)


def _jpeg_segments(data: bytes | bytearray) -> Iterator[tuple[int, bytes]]:
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


def _write_bmp(source: str, target: Path, images: Pages) -> None:
    _, image = next(images)
    if image.shape[-1] in (2, 4):
        raise UnusableImageError("a BMP with alpha is not written; convert it to PNG")
    with Image.open(source) as old:
        Image.fromarray(_squeezed(image)).save(target, "BMP", dpi=old.info.get("dpi", (0, 0)))


def _write_webp(source: str, target: Path, images: Pages) -> None:
    with Image.open(source) as old:
        kept = {name: old.info[name] for name in ("exif", "icc_profile", "xmp") if old.info.get(name)}
    lossless = b"VP8L" in _webp_chunks(source)
    image = Image.fromarray(_squeezed(next(images)[1]))
    image.save(target, "WEBP", quality=QUALITY, lossless=lossless, exact=True, **kept)


def _webp_chunks(path: str) -> list[bytes]:
    data, position, found = Path(path).read_bytes(), 12, []
    while position + 8 <= len(data):
        kind, size = struct.unpack("<4sI", data[position : position + 8])
        found.append(kind)
        position += 8 + size + size % 2
    return found


def _splice(target: Path, encoded: bytes | bytearray, position: int, between: bytes) -> None:
    with open(target, "wb") as file:
        file.write(encoded[:position])
        file.write(between)
        file.write(memoryview(encoded)[position:])


def _squeezed(image: np.ndarray) -> np.ndarray:
    """[H, W, 1] -> [H, W]; contiguous, as codecs want it."""
    return np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image)


WRITERS: dict[str, Callable[[str, Path, Pages], None]] = {
    "PNG": _write_png,
    "JPEG": _write_jpeg,
    "BMP": _write_bmp,
    "WebP": _write_webp,
    "TIFF": write_tiff,
    RAW: write_dng,
}
