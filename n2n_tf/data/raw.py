"""Camera raw files, through LibRaw: the visible mosaic, normalised and packed."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rawpy
import tifffile

from n2n_tf.data import bayer
from n2n_tf.data.errors import MAX_PIXELS, UnusableImageError
from n2n_tf.data.tiff_tags import check_pages

Area = tuple[int, int, int, int]  # top, left, height, width
ACTIVE_AREA, CFA_PATTERN, BLACK_REPEAT, BLACK_LEVEL = 50829, 33422, 50713, 50714  # DNG tags
BLACK_DELTAS = (50715, 50716)  # by column, by row
RATIONAL = 5  # TIFF's type
CFA = 32803  # photometric interpretation of a mosaic


@dataclass(frozen=True)
class Frame:
    """Where the visible mosaic lies in a raw file, and what its numbers mean.

    Attributes:
        top, left, height, width: of the visible area, in pixels of the raw frame.
        pattern: of the visible area, a name of `bayer.RED`.
        black: level of each plane, in the order of `bayer.pack`.
        white: level of saturation.
    """

    top: int
    left: int
    height: int
    width: int
    pattern: str
    black: tuple[float, ...]
    white: float

    @property
    def visible(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    @property
    def packed_shape(self) -> tuple[int, int, int]:
        top, left = bayer.RED[self.pattern]
        return -(-(self.height + top) // 2), -(-(self.width + left) // 2), bayer.CHANNELS

    def planes(self, mosaic: np.ndarray) -> np.ndarray:
        """Visible mosaic -> planes, float32 [h, w, 4]: black is 0 and white is 1.

        Not clipped: noise around black has values below it, and without them its mean would not be zero.
        """
        black = np.array(self.black, np.float32)
        return (bayer.pack(mosaic, self.pattern).astype(np.float32) - black) / (np.float32(self.white) - black)

    def mosaic(self, planes: np.ndarray) -> np.ndarray:
        """The inverse of `planes`, rounded to uint16."""
        rounded = np.empty(planes.shape, np.uint16)
        for plane, black in enumerate(self.black):
            numbers = planes[..., plane] * np.float32(self.white - black)  # float32 tells 16 bits to 1/100 of a step
            numbers += np.float32(black + 0.5)
            rounded[..., plane] = np.clip(numbers, 0, 65535, out=numbers)  # cuts what is behind the point
        return bayer.unpack(rounded, self.pattern, self.height, self.width)


@contextlib.contextmanager
def opened(path: str | Path, is_ours: bool = False) -> Iterator[tuple[rawpy.RawPy, Frame]]:
    """LibRaw's view of a file, and its frame. LibRaw decodes the pixels even to tell their pattern.

    What is denoised (`is_ours`) may well be flat.

    Raises:
        UnusableImageError: no raw file that LibRaw knows, none with a Bayer mosaic, too large, or cut short.
        OSError: it cannot be opened.
    """
    with open(path, "rb"):
        pass  # LibRaw says of a missing file only that it failed
    try:
        with rawpy.imread(str(path)) as raw:
            if raw.sizes.raw_height * raw.sizes.raw_width > MAX_PIXELS:
                shape = f"{raw.sizes.raw_width}×{raw.sizes.raw_height}"
                raise UnusableImageError(f"{shape} pixels; at most {MAX_PIXELS} are read")
            _check_only_shot(path)
            frame = _frame(raw, path)
            if not is_ours:
                _check_end(raw.raw_image[frame.visible][-2:], frame.white)
            yield raw, frame
    except rawpy.LibRawError as error:
        raise UnusableImageError(f"LibRaw cannot read it: {_said(error)}") from error


def read(path: str | Path) -> np.ndarray:
    """The planes of a file, float32 [h, w, 4], black 0, white 1.

    Raises:
        UnusableImageError: as `opened`.
        OSError: it cannot be opened.
    """
    with opened(path) as (raw, frame):
        return frame.planes(raw.raw_image[frame.visible])


def rendered(path: str | Path) -> np.ndarray:
    """LibRaw's rendering, uint16 [H, W, 3]: the camera's white balance, sRGB, brightness from the image.

    Raises:
        UnusableImageError, OSError: as `opened`.
    """
    with opened(path, is_ours=True) as (raw, _):
        return raw.postprocess(use_camera_wb=True, output_bps=16)


def _check_only_shot(path: str | Path) -> None:
    try:
        with rawpy.imread(str(path), shot_select=1) as second:
            second.unpack()
    except rawpy.LibRawRequestForNonexistentImageError:
        return
    raise UnusableImageError("it holds several shots; wanted one: convert it to a DNG of one of them")


def _check_end(rows: np.ndarray, white: float) -> None:
    """Raise UnusableImageError if the mosaic's last rows hold nothing: not every decoder of LibRaw misses an end."""
    colors = [rows[row::2, column::2] for row in (0, 1) for column in (0, 1)]
    if all(each.size and np.ptp(each) == 0 and each.max() < white for each in colors):
        raise UnusableImageError("its last rows are all alike: the file is cut short, or was not received whole")


def _frame(raw: rawpy.RawPy, path: str | Path) -> Frame:
    if raw.num_colors == 1:
        raise UnusableImageError(
            "it is of a monochrome camera, without a Bayer mosaic; convert it to a gray TIFF, and use --channels 1"
        )
    if raw.raw_type != rawpy.RawType.Flat or raw.raw_pattern is None:
        raise UnusableImageError(
            "it holds no Bayer mosaic but all colours a pixel: demosaiced already, or Foveon; wanted the camera's own"
        )
    if raw.raw_pattern.shape != (2, 2):
        rows, columns = raw.raw_pattern.shape
        raise UnusableImageError(
            f"its mosaic repeats after {rows}×{columns} pixels (X-Trans has 6×6); wanted Bayer, 2×2"
        )
    letters = "".join(chr(raw.color_desc[index]) for index in raw.raw_colors_visible[:2, :2].ravel())
    sizes = raw.sizes
    area = sizes.top_margin, sizes.left_margin, sizes.height, sizes.width
    levels = [float(level) for level in raw.black_level_per_channel]
    numbers = _numbers(raw)
    black = tuple(levels[numbers.get(name, 0)] for name in ("R", "GR", "GB", "B"))
    if Path(path).suffix.lower() == ".dng":  # LibRaw moves an odd area to an even place, pattern and levels with it
        area, letters, black = _dng_frame(path, area, letters, black)
    if letters not in bayer.RED:
        raise UnusableImageError(f"its mosaic has the colours {letters}; wanted one of {', '.join(bayer.RED)}")
    white = float(raw.white_level)
    if not max(black) < white:
        raise UnusableImageError(f"its black level {max(black):g} is not below its white level {white:g}")
    return Frame(*area, letters, black, white)


def _numbers(raw: rawpy.RawPy) -> dict[str, int]:
    """LibRaw's number of each plane."""
    found = {}
    for row in np.asarray(raw.raw_pattern):
        names = [chr(raw.color_desc[index]) for index in row]
        for column, name in enumerate(names):
            found[name if name != "G" else "G" + names[1 - column]] = int(row[column])
    return found


def _dng_frame(
    path: str | Path, area: Area, letters: str, black: tuple[float, ...]
) -> tuple[Area, str, tuple[float, ...]]:
    """The visible area, its pattern and its black levels as the file's tags have them, where they do."""
    with tifffile.TiffFile(path) as tiff:
        page = raw_page(tiff)
        tags = {tag.code: tag.value for tag in page.tags.values()}
        if page.sampleformat == 3:
            raise UnusableImageError("its mosaic is of floats; wanted integers, as cameras write them")
        if ACTIVE_AREA in tags:
            top, left, bottom, right = tags[ACTIVE_AREA]
            area = top, left, bottom - top, right - left
        if CFA_PATTERN in tags:
            letters = "".join("RGB"[index] if index < 3 else "?" for index in bytes(tags[CFA_PATTERN]))
        if BLACK_LEVEL in tags and letters in bayer.RED:
            black = _black_levels(page.tags[BLACK_LEVEL], tags, letters)
    return area, letters, black


def _black_levels(tag: tifffile.TiffTag, tags: Mapping[int, Any], letters: str) -> tuple[float, ...]:
    """Of each plane; the tag has them by pixels, from the corner of the visible area."""
    rows, columns = tags.get(BLACK_REPEAT, (1, 1))
    values = np.ravel(tag.value).astype(float)
    if tag.dtype == RATIONAL:
        values = values[::2] / values[1::2]
    if rows not in (1, 2) or columns not in (1, 2) or values.size != rows * columns:
        raise UnusableImageError(f"its black level repeats after {rows}×{columns} pixels; wanted 1 or 2")
    by_pixel = np.broadcast_to(values.reshape(rows, columns), (2, 2))
    for code in BLACK_DELTAS:
        if code in tags and np.any(tags[code]):
            raise UnusableImageError("its black level differs from row to row or from column to column")
    top, left = bayer.RED[letters]
    return tuple(float(by_pixel[(row + top) % 2, (column + left) % 2]) for row, column in bayer.PLANES)


def raw_page(tiff: tifffile.TiffFile) -> tifffile.TiffPage:
    """The page of a DNG that holds the mosaic: often not the first one, but below it.

    Raises:
        UnusableImageError: there is none.
    """
    check_pages(tiff)
    pages = [page.aspage() for page in tiff.pages]
    pages += [sub.aspage() for page in pages for sub in page.pages or ()]
    found = [page for page in pages if page.photometric == CFA and not page.is_reduced]
    if len(found) != 1:
        raise UnusableImageError(f"it holds {len(found)} mosaics of full size; wanted one")
    return found[0]


def _said(error: Exception) -> str:
    text = error.args[0] if error.args else error
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
