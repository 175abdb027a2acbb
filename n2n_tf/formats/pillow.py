"""Header and pixels of the formats that Pillow reads for us: BMP, GIF, JPEG, WebP."""

import numpy as np
from PIL import Image

from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import Page, kind_of

CHANNELS = {"1": 1, "L": 1, "LA": 2, "P": 3, "RGB": 3, "RGBA": 4}  # by mode; a palette is read as RGB


def header(path: str) -> list[Page]:
    """The image.

    Raises:
        UnusableImageError: an animation, or another colour model.
    """
    with Image.open(path) as image:
        if getattr(image, "is_animated", False):
            name = {"WEBP": "WebP"}.get(str(image.format), image.format)
            raise UnusableImageError(f"an animated {name}; save its frames as files")
        return [page_of(path, image)]


def page_of(path: str, image: Image.Image) -> Page:
    """The image that Pillow has opened.

    Raises:
        UnusableImageError: of another colour model than gray and RGB.
    """
    if image.mode not in CHANNELS:
        raise UnusableImageError(f"colour model {image.mode}; wanted gray or RGB: convert the file")
    channels = CHANNELS[image.mode]
    dtype = "bool" if image.mode == "1" else "uint8"
    return Page(path, 0, image.height, image.width, channels, kind_of(channels), dtype)


def read(path: str, _: int) -> np.ndarray:
    """Its pixels, uint8 or bool."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB") if image.mode == "P" else image)
