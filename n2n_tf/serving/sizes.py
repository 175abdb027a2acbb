"""How large the images of a request are, before they are decoded."""

import math
import struct

import numpy as np
import tensorflow as tf

from n2n_tf.exporting.signatures import JPEG, PNG
from n2n_tf.inference.denoiser import SIDE_MULTIPLE


def pixels_of(value: np.ndarray) -> int:
    """Pixels of a batch of images, or of the PNG and JPEG files in it, as they are padded for the network."""
    if value.dtype == object:
        return sum(math.prod(map(_padded, sides_of(file))) for file in value.ravel())
    return math.prod([*value.shape[:1], *map(_padded, value.shape[1:3])])


def _padded(side: int) -> int:
    return -(-side // SIDE_MULTIPLE) * SIDE_MULTIPLE


def sides_of(file: bytes) -> tuple[int, ...]:
    """Height and width of a PNG or JPEG, by its header; 0 where the model will refuse it anyway."""
    if file.startswith(PNG):
        return struct.unpack(">II", file[16:24].ljust(8, b"\0")) if file[12:16] == b"IHDR" else (0,)
    try:
        return tuple(tf.image.extract_jpeg_shape(file).numpy()[:2].tolist()) if file.startswith(JPEG) else (0,)
    except tf.errors.InvalidArgumentError:
        return (0,)
