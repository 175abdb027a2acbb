"""Pictures for people: images side by side."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

CAPTION = 16  # height of the caption in pixels


def side_by_side(images: Mapping[str, np.ndarray]) -> Image.Image:
    """One row of images with their captions below.

    Args:
        images: caption -> float [H, W, C] in [0, 1] (clipped here), C 1 or 3, all of one size.
    """
    columns = [np.repeat(to_uint8(image), 3 // image.shape[-1], -1) for image in images.values()]
    height, width = columns[0].shape[:2]
    sheet = Image.new("RGB", (width * len(columns), height + CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    for position, (caption, column) in enumerate(zip(images, columns, strict=True)):
        sheet.paste(Image.fromarray(column), (position * width, 0))
        draw.text((position * width + 4, height + 2), caption, fill="black")
    return sheet


def to_uint8(image: np.ndarray) -> np.ndarray:
    """[0, 1] to 0-255, clipped and rounded."""
    return np.floor(np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
