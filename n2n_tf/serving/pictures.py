"""PNG and JPEG files on their way to a server and back."""

import io
import struct

import imagecodecs
import numpy as np
from PIL import Image

from n2n_tf.serving.transport import ENVELOPE

PNG = b"\x89PNG\r\n\x1a\n"  # begins each
HEADER = PNG + b"\0\0\0\rIHDR"  # then width and height
PNG_CHANNELS = (1, 3)
ANSWER_BYTES = 8  # of a pixel in a PNG: 3 channels of 16 bits, and what rows and packing add
UNREADABLE = (OSError, SyntaxError, RuntimeError, ValueError, Image.DecompressionBombError)


def size_of(data: bytes) -> tuple[int, int] | None:
    """Height and width of a PNG or JPEG, by its header; None where it has none that can be read."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            return image.size[::-1]
    except UNREADABLE:
        return None


def pixels_of(data: bytes) -> np.ndarray | None:
    """[H, W, C] of a PNG or JPEG, without alpha; None where the server decodes it otherwise, or finds it broken."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            if image.mode == "CMYK":
                return None
            pixels = imagecodecs.png_decode(data) if image.format == "PNG" else np.asarray(image)
    except UNREADABLE:
        return None
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    return pixels[..., : pixels.shape[-1] - (pixels.shape[-1] in (2, 4))]


def png(image: np.ndarray) -> bytes:
    """[H, W, 1 or 3] as a PNG."""
    return bytes(imagecodecs.png_encode(np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image)))


def png_bytes(dtype: np.dtype, channels: int) -> int:
    """Of a pixel in a PNG that we write, at most: its values, the filter of its row, and a share of the packing's."""
    return channels * dtype.itemsize + 2


def answer_bytes(height: int, width: int) -> int:
    """Of the PNG that comes back for a file of this size, at most."""
    return ENVELOPE + height * width * ANSWER_BYTES


def from_png(data: bytes, tile: np.ndarray) -> np.ndarray:
    """A PNG -> [H, W, C], which must have the size and the depth of `tile`; its header is looked at first.

    Raises:
        ValueError: it has not, or cannot be decoded.
    """
    if data.startswith(HEADER) and len(data) >= len(HEADER) + 8:
        size = struct.unpack_from(">II", data, len(HEADER))[::-1]
        if size != tile.shape[:2]:
            raise ValueError(f"an image of {tile.shape} came back as {size}")
    try:
        image = imagecodecs.png_decode(data)
    except (imagecodecs.PngError, ValueError) as error:  # its own text may be no UTF-8
        raise ValueError(f"its PNG cannot be decoded: {error}") from error
    if image.dtype != tile.dtype:
        raise ValueError(f"an image of {tile.dtype} came back as {image.dtype}")
    return image if image.ndim == 3 else image[..., None]
