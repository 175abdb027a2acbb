"""Camera raw files, through LibRaw: the visible mosaic, normalised and packed."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rawpy

from n2n_tf.formats import bayer
from n2n_tf.formats.dng_levels import dng_frame
from n2n_tf.formats.errors import MAX_PIXELS, UnusableImageError
from n2n_tf.formats.page import MOSAIC, Page


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


def header(path: str) -> list[Page]:
    """The mosaic.

    Raises:
        UnusableImageError, OSError: as `opened`.
    """
    with opened(path) as (_, frame):
        return [Page(path, 0, *frame.packed_shape, MOSAIC, "uint16")]


def read(path: str | Path, _: int = 0) -> np.ndarray:
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
            "it is of a monochrome camera, without a Bayer mosaic; convert it to a gray TIFF, and use `channels` 1"
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
        area, letters, black = dng_frame(path, area, letters, black)
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


def _said(error: Exception) -> str:
    text = error.args[0] if error.args else error
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
