"""Image files to arrays: one reader for each format, chosen by the file's first bytes; raw files by their suffix."""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image

from n2n_tf.config import IMAGE_SUFFIXES, RAW_SUFFIXES
from n2n_tf.data import raw, tiff
from n2n_tf.data.errors import MAX_PIXELS, UnusableImageError
from n2n_tf.intensities import check_intensities

SUFFIXES = IMAGE_SUFFIXES | RAW_SUFFIXES
RAW = "camera raw"
PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by colour type; a palette is read as RGB
PILLOW_CHANNELS = {"1": 1, "L": 1, "LA": 2, "P": 3, "RGB": 3, "RGBA": 4}  # by mode


@dataclass(frozen=True, slots=True)  # there may be millions
class Page:
    """One image of a file, as its header describes it. `channels` counts alpha, if the header tells.

    A raw mosaic is an image of four planes, each of half its height and width.
    """

    path: str
    number: int
    height: int
    width: int
    channels: int
    is_raw: bool = False

    @property
    def colors(self) -> int:
        return self.channels if self.is_raw else colors_of(self.channels)

    def __str__(self) -> str:
        return f"{self.path}, page {self.number + 1}" if self.number else self.path


def pages(path: str | Path) -> list[Page]:
    """The images of a file, from its headers alone: all pages of a TIFF; else one, and an animation is refused.

    Raises:
        UnusableImageError: the file is empty, of no known format, of an unknown colour model or too large.
        OSError: the file cannot be opened.
    """
    name = format_of(path)
    headers = _decoded(READERS[name][1], path)
    found = [Page(str(path), *header, name == RAW) for header in headers]  # type: ignore[call-arg]
    if not found:
        raise UnusableImageError("holds no image of full size, only reduced ones or masks")
    for page in found:
        if page.height * page.width * (4 if page.is_raw else 1) > MAX_PIXELS:
            raise UnusableImageError(f"{page.width}×{page.height} pixels; at most {MAX_PIXELS} are read")
    return found


def read(page: Page) -> np.ndarray:
    """Decode one image.

    Returns:
        [H, W, C] as stored: uint8, uint16, bool or float; C counts alpha. Planes of raw: float32, black 0, white 1.

    Raises:
        UnusableImageError: it cannot be decoded, or is not what its header said.
        OSError: the file cannot be read.
    """
    _, _, decode = READERS[format_of(page.path)]
    image = _decoded(decode, page.path, page.number)
    image = image[..., None] if image.ndim == 2 else image
    colors = image.shape[-1] if page.is_raw else colors_of(image.shape[-1])
    if (*image.shape[:2], colors) != (page.height, page.width, page.colors):
        raise UnusableImageError(f"the header says {(page.height, page.width, page.channels)}, decoded {image.shape}")
    return image


def colors_of(channels: int) -> int:
    """Channels without alpha: gray+alpha has 1, RGBA has 3."""
    return channels - (channels in (2, 4))


def check_pixels(image: np.ndarray) -> None:
    """Raise UnusableImageError if the pixels are no intensities: another type, or floats far outside [0, 1]."""
    if image.dtype in (bool, np.uint8, np.uint16):
        return
    if image.dtype.kind != "f":
        raise UnusableImageError(f"{image.dtype} pixels; wanted uint8, uint16 or float: convert the file")
    try:
        check_intensities(image)
    except ValueError as error:
        raise UnusableImageError(str(error)) from None


def colors_in_unit_range(image: np.ndarray, colors: int) -> np.ndarray:
    """The first `colors` channels, float32: integers divided by their largest value, floats as they are.

    Raises:
        UnusableImageError: as `check_pixels`.
    """
    image = image[..., :colors]
    check_pixels(image)
    if image.dtype.kind == "u":
        return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    return image.astype(np.float32)


def _png_header(path: str) -> list[tuple[int, int, int, int]]:
    with open(path, "rb") as file:
        width, height, _, colour_type = struct.unpack(">16xIIBB", file.read(26))  # signature, then IHDR
        file.seek(33)
        while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
            if head[4:] == b"acTL":
                raise UnusableImageError("an animated PNG; save its frames as files")
            file.seek(int.from_bytes(head[:4], "big") + 4, 1)
    return [(0, height, width, PNG_CHANNELS[colour_type])]


def _pillow_header(path: str) -> list[tuple[int, int, int, int]]:
    with Image.open(path) as image:
        if image.mode not in PILLOW_CHANNELS:
            raise UnusableImageError(f"colour model {image.mode}; wanted gray or RGB: convert the file")
        found = (0, image.height, image.width, PILLOW_CHANNELS[image.mode])
        if image.format == "MPO":
            _check_only_picture(image)
        elif getattr(image, "is_animated", False):
            name = {"WEBP": "WebP"}.get(str(image.format), image.format)
            raise UnusableImageError(f"an animated {name}; save its frames as files")
        return [found]


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


def _read_png(path: str, _: int) -> np.ndarray:
    return imagecodecs.png_decode(Path(path).read_bytes())  # Pillow reduces 16-bit RGB to 8 without a word


def _read_pillow(path: str, _: int) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB") if image.mode == "P" else image)


def _raw_header(path: str) -> list[tuple[int, int, int, int]]:
    with raw.opened(path) as (_, frame):
        return [(0, *frame.packed_shape)]


def _read_raw(path: str, _: int) -> np.ndarray:
    return raw.read(path)


READERS: dict[str, tuple[tuple[bytes, ...], Callable, Callable]] = {  # first bytes, header, decode
    "PNG": ((b"\x89PNG\r\n\x1a\n",), _png_header, _read_png),
    "JPEG": ((b"\xff\xd8\xff",), _pillow_header, _read_pillow),
    "BMP": ((b"BM",), _pillow_header, _read_pillow),
    "GIF": ((b"GIF87a", b"GIF89a"), _pillow_header, _read_pillow),
    "WebP": ((b"RIFF",), _pillow_header, _read_pillow),
    "TIFF": ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), tiff.header, tiff.read),
    RAW: ((b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0"), _raw_header, _read_raw),
}


def format_of(path: str | Path) -> str:
    """A name of `READERS`, from the file's first bytes.

    Raises:
        UnusableImageError: none fits.
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        first = file.read(16)
    if not first:
        raise UnusableImageError("the file is empty")
    if os.path.splitext(path)[1].lower() in RAW_SUFFIXES:  # most are TIFFs by their first bytes
        return RAW
    for name, (signatures, _, _) in READERS.items():
        if first.startswith(signatures):
            return name
    raise UnusableImageError(f"not a {', '.join(READERS)} file: it begins with {first[:8]!r}")


def _decoded(function: Callable, path: str | Path, *args: int) -> Any:
    """Call a codec; whatever it makes of a broken file becomes one kind of error."""
    try:
        return function(str(path), *args)
    except UnusableImageError:
        raise
    except Exception as error:  # codecs raise SyntaxError, struct.error, ValueError and many more
        io_error = isinstance(error, OSError) and error.errno is not None
        raise error if io_error else UnusableImageError(f"cannot be decoded: {error}") from error
