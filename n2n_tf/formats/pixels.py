"""Which pixels are intensities, and how they become float32 in [0, 1]."""

import numpy as np

from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.intensities import check_intensities


def colors_of(channels: int) -> int:
    """Channels without alpha: gray+alpha has 1, RGBA has 3."""
    return channels - (channels in (2, 4))


def check_type(dtype: str | np.dtype) -> None:
    """Raise UnusableImageError if pixels of a type are no intensities; "" is a type that a header does not tell."""
    if dtype and np.dtype(dtype) not in (bool, np.uint8, np.uint16) and np.dtype(dtype).kind != "f":
        raise UnusableImageError(f"{dtype} pixels; wanted uint8, uint16 or float: convert the file")


def check_pixels(image: np.ndarray) -> None:
    """Raise UnusableImageError if the pixels are no intensities: another type, or floats far outside [0, 1]."""
    check_type(image.dtype)
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
