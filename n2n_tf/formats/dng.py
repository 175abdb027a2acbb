"""Denoised mosaics as DNG files: the frame and the tags of the raw file they come from.

From a DNG all its tags about the camera, the colours and the levels are copied, byte for byte, from the page with the
mosaic and the first one. Left out: the LinearizationTable, which LibRaw has applied; NoiseProfile and
NoiseReductionApplied, since the noise is gone; previews, checksums and private data of the old file. Opcodes stay:
LibRaw does not apply them. From other raw files the tags are made of what LibRaw tells; it tells neither maker nor
model.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rawpy
import tifffile

from n2n_tf.formats import bayer, raw
from n2n_tf.formats.dng_levels import CFA, raw_page
from n2n_tf.formats.tiff.tags import DIRECTORIES, KEPT, Tag, copied_tags, copy_directories

BYTE, SHORT, LONG, RATIONAL, SIGNED, ASCII = 1, 3, 4, 5, 10, 2
DROPPED = {
    50712,  # LinearizationTable
    50935, 51041,  # NoiseReductionApplied, NoiseProfile
    50740, 50741,  # DNGPrivateData, which may point into the old file; MakerNoteSafety, which speaks of it
    50827, 50828, 50972, 50973, 51111,  # the original raw file and checksums
    50933,  # ExtraCameraProfiles, by places in the old file
    50974, 50975,  # how its pixels were interleaved
    *range(50966, 50972),  # previews
    50781,  # RawDataUniqueID
}  # fmt: skip
EXPOSURE = (33434, 33437, 34855, 37386)  # some cameras write them here, not into the EXIF directory
CAMERA = (*KEPT, 33421, 33422, 37398, *EXPOSURE, *sorted({*range(50706, 51200), *range(52525, 52539)} - DROPPED))


def write_dng(source: str, target: Path, images: Iterator[tuple[int, np.ndarray]]) -> None:
    """Write planes as the mosaic of a DNG, in the frame of `source`; what is outside of the visible area stays.

    Args:
        source: the raw file.
        target: path to write.
        images: one, planes as `raw.read` gives them.

    Raises:
        UnusableImageError, OSError: `source` cannot be read.
    """
    with raw.opened(source) as (opened, frame):
        whole = opened.raw_image.copy()
        whole[frame.visible] = frame.mosaic(next(images)[1])
        if Path(source).suffix.lower() != ".dng":
            _write(target, whole, {"extratags": told_tags(opened, frame)})
            return
    with tifffile.TiffFile(source) as tiff:
        first, page = tiff.pages[0].aspage(), raw_page(tiff)
        holder = first if any(code in first.tags for code in DIRECTORIES) else page
        copied = copied_tags(holder, CAMERA)  # with places for EXIF and GPS
        tags = {tag[0]: tag for each in (first, page) for tag in copied_tags(each, CAMERA, ())["extratags"]}
        tags.setdefault(50717, (50717, LONG, 1, round(frame.white), True))  # else it would follow from the new 16 bits
        places = [tag for tag in copied["extratags"] if tag[0] not in tags]
        copied["extratags"] = sorted([*tags.values(), *places])
        _write(target, whole, copied, ">" if tiff.byteorder == ">" else "<")
        copy_directories([holder], target)


def _write(target: Path, whole: np.ndarray, tags: dict, byteorder: Literal["<", ">"] = "<") -> None:
    with tifffile.TiffWriter(target, byteorder=byteorder) as writer:
        writer.write(whole, photometric=CFA, metadata=None, software=False, subfiletype=0, **tags)


def told_tags(opened: rawpy.RawPy, frame: raw.Frame) -> list[Tag]:
    """The tags that LibRaw's values make."""
    area = (frame.top, frame.left, frame.top + frame.height, frame.left + frame.width)
    top, left = bayer.RED[frame.pattern]
    levels = [frame.black[plane] for plane in _places(top, left)]
    tags: list[Tag] = [
        (274, SHORT, 1, {0: 1, 3: 3, 5: 8, 6: 6}.get(opened.sizes.flip, 1), True),
        (33421, SHORT, 2, (2, 2), True),
        (33422, BYTE, 4, bytes("RGB".index(letter) for letter in frame.pattern), True),
        (50706, BYTE, 4, bytes((1, 4, 0, 0)), True),
        (50707, BYTE, 4, bytes((1, 1, 0, 0)), True),
        (50708, ASCII, 0, "unknown", True),
        (50713, SHORT, 2, (2, 2), True),
        (50714, RATIONAL, 4, _ratios(levels), True),
        (50717, LONG, 1, round(frame.white), True),
        (50829, LONG, 4, area, True),
    ]
    matrix = np.asarray(opened.rgb_xyz_matrix)[:3]
    if matrix.any():
        tags += [(50721, SIGNED, 9, _ratios(matrix.ravel()), True), (50778, SHORT, 1, 21, True)]  # of D65
    balance = np.asarray(opened.camera_whitebalance[:3])
    if (balance > 0).all():
        tags.append((50728, RATIONAL, 3, _ratios(balance.max() / balance / (balance.max() / balance).max()), True))
    return tags


def _places(top: int, left: int) -> list[int]:
    """The plane of each of the first 2×2 pixels."""
    return [(row + top) % 2 * 2 + (column + left) % 2 for row in range(2) for column in range(2)]


def _ratios(values: Any) -> tuple[int, ...]:
    pairs = (Fraction(float(value)).limit_denominator(10**6) for value in np.ravel(values))
    return tuple(part for each in pairs for part in (each.numerator, each.denominator))
