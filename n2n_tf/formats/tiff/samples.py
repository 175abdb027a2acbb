"""What the numbers of a TIFF page are, and how they go back: their type and bits, WhiteIsZero, palettes.

An image is read as it is seen: WhiteIsZero the other way round. A palette that is a ramp colours intensities, as
microscopes do: its numbers are a gray image. Any other palette makes an RGB image.
"""

from typing import Any

import numpy as np
import tifffile

from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import CHANNELS, RGB, kind_of

TYPES = {np.dtype(name) for name in ("?", "u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8")}
WANTED = "wanted integers of 1 to 32 bits, or floats of 16, 32 or 64: convert the file"
WHITE, PALETTE = tifffile.PHOTOMETRIC.MINISWHITE, tifffile.PHOTOMETRIC.PALETTE
COLOURS = {tifffile.PHOTOMETRIC.MINISBLACK: 1, WHITE: 1, PALETTE: 1, tifffile.PHOTOMETRIC.RGB: 3}  # of those read


def described(page: tifffile.TiffPage) -> tuple[int, str, str]:
    """Channels, kind and type of an image, as `Page` has them.

    Raises:
        UnusableImageError: numbers or colours that would be misread.
    """
    channels = dict(zip(page.axes, page.shape, strict=True)).get("S", 1)
    model, extra = tifffile.PHOTOMETRIC(page.photometric), page.extrasamples
    colours = COLOURS.get(model, 0)
    if not colours or channels < colours or (channels > 1 and model in (WHITE, PALETTE)):
        raise UnusableImageError(f"a {model.name} TIFF of {channels} channels; wanted gray or RGB: convert the file")
    if model == tifffile.PHOTOMETRIC.RGB and channels > colours and not extra:
        raise UnusableImageError(f"RGB of {channels} channels without ExtraSamples, which tells what the others are")
    dtype = _type(page)
    if model == PALETTE and not _is_ramp(page):
        return 3, RGB, _palette_colours(page).dtype.name
    if channels == colours or (channels == colours + 1 and any(extra)):
        return channels, kind_of(channels), dtype.name
    if any(extra):
        raise UnusableImageError(f"a {model.name} TIFF of {channels} channels, one of them alpha: split it off")
    return channels, CHANNELS, dtype.name


def bits_of(page: tifffile.TiffPage, dtype: str, significant: int = 0) -> int:
    """Of a number, where they are fewer than those of its type; else 0.

    Args:
        page: that holds it.
        dtype: of the image, as `described` tells.
        significant: as OME-XML tells; 0 if it does not.
    """
    if page.dtype is None or page.dtype.name != dtype or page.dtype.kind != "u":
        return 0
    stored = int(page.bitspersample)
    bits = min(stored, significant or stored)
    return bits if bits < page.dtype.itemsize * 8 else 0


def _type(page: tifffile.TiffPage) -> np.dtype:
    dtype, bits = page.dtype, page.bitspersample
    if dtype is None or dtype not in TYPES or isinstance(bits, tuple):  # such as 5, 6 and 5 bits of colours
        raise UnusableImageError(f"{bits}-bit pixels, {dtype or 'of no known type'}; {WANTED}")
    if dtype.kind == "f" and bits != dtype.itemsize * 8:
        raise UnusableImageError(f"floats of {bits} bits; {WANTED}")
    return dtype


def _is_ramp(page: tifffile.TiffPage) -> bool:
    """The palette goes from dark to bright, or is one of ImageJ's, which colours intensities in any way."""
    bits, colours = page.bitspersample, _palette(page)
    if colours.shape != (3, 2**bits) or bits > 16:
        raise UnusableImageError(f"a palette of form {colours.shape} for {bits}-bit pixels; convert it to RGB")
    if bits not in (8, 16):  # colours: of fewer bits the writer makes no palette
        return False
    steps = np.diff(colours.astype(int))
    return page.parent.is_imagej or bool((steps >= 0).all() or (steps <= 0).all())


def _palette(page: tifffile.TiffPage) -> np.ndarray:
    return np.empty((0, 0), np.uint16) if page.colormap is None else page.colormap


def _palette_colours(page: tifffile.TiffPage) -> np.ndarray:
    """[numbers, 3], uint8 if 8 bits tell them all."""
    colours = _palette(page).T
    if not (colours % 257).any():
        return (colours // 257).astype(np.uint8)
    if not (colours % 256).any():  # shifted, as some programs do
        return (colours >> 8).astype(np.uint8)
    return colours.astype(np.uint16)


def seen(page: tifffile.TiffPage, numbers: np.ndarray) -> np.ndarray:
    """The image [H, W] or [H, W, C] of a page's numbers."""
    if page.photometric == PALETTE and not _is_ramp(page):
        return _palette_colours(page)[numbers.view(np.uint8) if numbers.dtype == bool else numbers]
    return _turned(page, numbers, page.bitspersample)


def stored(page: tifffile.TiffPage, image: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """The inverse of `seen`, and how `TiffWriter.write` is to store it: model, further channels, bits if packed.

    A page of 1 bit takes images of 8.

    Args:
        page: that the image comes from.
        image: [H, W, C].
    """
    image = np.ma.getdata(image)
    numbers = image[..., 0] if image.shape[-1] == 1 else image
    is_coloured = page.photometric == PALETTE and image.shape[-1] > 1
    bits = page.bitspersample if page.dtype == image.dtype and not is_coloured else image.dtype.itemsize * 8
    options: dict[str, Any] = {"photometric": tifffile.PHOTOMETRIC(page.photometric)}
    if is_coloured:
        options["photometric"] = tifffile.PHOTOMETRIC.RGB
    elif page.photometric == PALETTE:
        options["colormap"] = page.colormap
    elif others := image.shape[-1] - COLOURS[options["photometric"]]:
        options["extrasamples"] = (*page.extrasamples, *[0] * others)[:others]  # 0: of no told meaning
    if image.dtype.kind == "u" and bits < image.dtype.itemsize * 8:
        options["bitspersample"] = bits
        numbers = np.minimum(numbers, image.dtype.type(2**bits - 1))
    return _turned(page, numbers, bits), options


def _turned(page: tifffile.TiffPage, numbers: np.ndarray, bits: int) -> np.ndarray:
    """White for black and back, where the page counts from white. Of signed numbers and floats none is white."""
    if page.photometric != WHITE or numbers.dtype.kind not in "bu":
        return numbers
    return ~numbers if numbers.dtype == bool else numbers.dtype.type(2**bits - 1) - numbers
