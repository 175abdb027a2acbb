"""Pictures for people: images side by side."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from n2n_tf.config.kinds import MOSAIC
from n2n_tf.value_range import NEARLY_BLACK

CAPTION = 16  # height of a caption's line in pixels
VIEW = 320  # height of a comparison's columns in pixels
ZOOM = 4  # a comparison shows this part of the image's shorter side


def side_by_side(images: Mapping[str, np.ndarray]) -> Image.Image:
    """One row of images with their captions below.

    Args:
        images: caption -> [H, W, C], all of one height; float in [0, 1] (clipped here) or uint8; see `visible`.
    """
    shown = [to_uint8(visible(image)) for image in images.values()]
    columns = [np.repeat(image, 3 // image.shape[-1], -1) for image in shown]
    height, lines = columns[0].shape[0], max(caption.count("\n") for caption in images) + 1
    sheet = Image.new("RGB", (sum(column.shape[1] for column in columns), height + CAPTION * lines), "white")
    draw, left = ImageDraw.Draw(sheet), 0
    for caption, column in zip(images, columns, strict=True):
        sheet.paste(Image.fromarray(column), (left, 0))
        draw.text((left + 4, height + 2), caption, fill="black")
        left += column.shape[1]
    return sheet


def developed(images: Mapping[str, np.ndarray], kind: str) -> dict[str, np.ndarray]:
    """Images to look at, all treated in the same way: planes of raw mosaics as RGB, nearly black ones brightened.

    Of images that are nearly black the brightest thousandth becomes white. Of a mosaic the two greens are averaged,
    each colour scaled to the mean of green, the brightest percent is white, and the square root taken. No camera's
    rendering: no demosaicing, no colour matrix.

    Args:
        images: caption -> [H, W, C], float; the first one tells the scales.
        kind: of the images, a name of `KINDS`.

    Returns:
        Caption -> [H, W, 1 or 3], as `visible`.
    """
    first = next(iter(images.values()))
    if kind != MOSAIC:
        images = {name: visible(image) for name, image in images.items()}
        first = visible(first)
        brightest = float(np.percentile(first, 99.9))
        if first.dtype == np.uint8 or not 0 < brightest < NEARLY_BLACK:
            return dict(images)
        return {name: np.clip(image / np.float32(brightest), 0, 1) for name, image in images.items()}

    def rgb(planes: np.ndarray) -> np.ndarray:
        return np.stack([planes[..., 0], planes[..., 1:3].mean(-1), planes[..., 3]], -1)

    means = np.maximum(rgb(first).mean((0, 1)), 1e-6)
    scale = means[1] / means
    scale /= max(float(np.percentile(rgb(first) * scale, 99)), 1e-6)
    return {name: np.sqrt(np.clip(rgb(image) * scale, 0, 1)).astype(np.float32) for name, image in images.items()}


def comparison(clean: np.ndarray, results: Mapping[str, np.ndarray], kind: str) -> Image.Image:
    """The whole clean image, and its liveliest part as each denoiser leaves it, as in the paper's Figures 3 and 4.

    Args:
        clean: [H, W, C], float in [0, 1] or uint8.
        results: caption -> image of the same form, in the order of the columns.
        kind: of the images, a name of `KINDS`.
    """
    shown = developed({"": clean, **results}, kind)
    clean, results = shown.pop(""), shown
    top, left, side = liveliest(clean)

    def zoomed(image: np.ndarray) -> np.ndarray:
        part = Image.fromarray(to_uint8(image[top : top + side, left : left + side]).squeeze(-1 if one else ()))
        return _as_array(part.resize((VIEW, VIEW), Image.Resampling.NEAREST))

    one = clean.shape[-1] == 1
    whole = Image.fromarray(np.repeat(to_uint8(clean), 3, -1) if one else to_uint8(clean))
    ImageDraw.Draw(whole).rectangle((left, top, left + side - 1, top + side - 1), outline="red", width=2)
    width = max(1, round(whole.width * VIEW / whole.height))
    columns = {"": _as_array(whole.resize((width, VIEW), Image.Resampling.LANCZOS))}
    columns.update({caption: zoomed(image) for caption, image in results.items()})
    return side_by_side({**columns, "clean": zoomed(clean)})


def stacked(sheets: Sequence[Image.Image]) -> Image.Image:
    """One below the other."""
    whole = Image.new("RGB", (max(sheet.width for sheet in sheets), sum(sheet.height for sheet in sheets)), "white")
    top = 0
    for sheet in sheets:
        whole.paste(sheet, (0, top))
        top += sheet.height
    return whole


def liveliest(image: np.ndarray) -> tuple[int, int, int]:
    """Top, left and side of the square, of those on a grid, in which the intensities vary most."""
    gray = image.mean(axis=-1)
    side = max(1, min(gray.shape) // ZOOM)
    tops, lefts = ([*range(0, length - side, max(1, side // 2)), length - side] for length in gray.shape)
    corners = itertools.product(tops, lefts)
    return *max(corners, key=lambda corner: gray[corner[0] :, corner[1] :][:side, :side].std()), side


def visible(image: np.ndarray) -> np.ndarray:
    """What a screen can show, [H, W, 1 or 3]: of more channels the first three as RGB, of two their mean as gray."""
    channels = image.shape[-1]
    if channels == 2:
        return image.mean(axis=-1, keepdims=True).astype(image.dtype)
    return image[..., :3] if channels > 3 else image


def to_uint8(image: np.ndarray) -> np.ndarray:
    """[0, 1] to 0-255, clipped and rounded; uint8 as it is."""
    return image if image.dtype == np.uint8 else np.floor(np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def as_picture(image: np.ndarray) -> Image.Image:
    """[H, W, C], as `visible` takes them, as gray or RGB."""
    pixels = to_uint8(visible(image))
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _as_array(picture: Image.Image) -> np.ndarray:
    array = np.asarray(picture)
    return array[..., None] if array.ndim == 2 else array
