"""Bayer mosaics: one colour a pixel, and their four colour planes.

A pattern names the colours of the first 2×2 pixels by rows. Packed, a mosaic [H, W] has its planes in the order
R, G of the red rows, G of the blue rows, B, whatever its pattern: [ceil(H/2), ceil(W/2), 4] or one more. Where rows or
columns are missing at an edge they are mirrored, which keeps every colour in its place.
"""

from collections.abc import Callable

import numpy as np

from n2n_tf.config import lookup

RED = {"RGGB": (0, 0), "GRBG": (0, 1), "GBRG": (1, 0), "BGGR": (1, 1)}  # row and column of the first red pixel
PLANES = ((0, 0), (0, 1), (1, 0), (1, 1))  # in a mosaic that begins with red
CHANNELS = len(PLANES)


def pack(mosaic: np.ndarray, pattern: str) -> np.ndarray:
    """Mosaic [H, W] -> planes [h, w, 4].

    Args:
        mosaic: at least 2×2 pixels, any type.
        pattern: a name of `RED`.

    Returns:
        h = ceil((H + r) / 2), w = ceil((W + c) / 2), where the first red pixel is in row r and column c.

    Raises:
        ValueError: a smaller mosaic, or one of other axes.
        UsageError: an unknown pattern.

    Source: paper section 5.3, "packed 4-channel raw images".
    """
    top, left = lookup(RED, pattern, "CFA pattern")
    if mosaic.ndim != 2 or min(mosaic.shape) < 2:
        raise ValueError(f"a mosaic of shape {mosaic.shape}; wanted [H, W] of at least 2×2 pixels")
    height, width = mosaic.shape
    margins = ((top, (top + height) % 2), (left, (left + width) % 2))
    whole = np.pad(mosaic, margins, "reflect")
    return np.stack([whole[row::2, column::2] for row, column in PLANES], -1)


def unpack(planes: np.ndarray, pattern: str, height: int, width: int) -> np.ndarray:
    """Planes [h, w, 4] -> mosaic [H, W]; the inverse of `pack`.

    Raises:
        ValueError: planes that no mosaic of this size has.
        UsageError: an unknown pattern.
    """
    top, left = lookup(RED, pattern, "CFA pattern")
    wanted = (-(-(height + top) // 2), -(-(width + left) // 2), CHANNELS)
    if planes.shape != wanted:
        raise ValueError(f"planes of shape {planes.shape}; wanted {wanted} for a {pattern} mosaic of {height}×{width}")
    whole = np.empty((2 * wanted[0], 2 * wanted[1]), planes.dtype)
    for plane, (row, column) in enumerate(PLANES):
        whole[row::2, column::2] = planes[..., plane]
    return whole[top : top + height, left : left + width]


def whole_cells(mosaic: np.ndarray, pattern: str) -> np.ndarray:
    """The planes of the part that begins with a red row and column and has only whole cells: no pixel is mirrored.

    Args:
        mosaic: [H, W], at least 3×3 pixels, any type.
        pattern: a name of `RED`.

    Raises:
        ValueError: a mosaic of other axes, or without a whole cell.
        UsageError: an unknown pattern.
    """
    top, left = lookup(RED, pattern, "CFA pattern")
    height, width = ((side - first) // 2 * 2 for side, first in zip(mosaic.shape, (top, left), strict=False))
    return pack(mosaic[top : top + height, left : left + width], "RGGB")


def turned(mosaic: np.ndarray, pattern: str) -> np.ndarray:
    """A mosaic of even sides, flipped so that it begins with red; its own inverse.

    Raises:
        ValueError: an odd side.
        UsageError: an unknown pattern.
    """
    row, column = lookup(RED, pattern, "CFA pattern")
    if mosaic.ndim != 2 or any(side % 2 for side in mosaic.shape):
        raise ValueError(f"a mosaic of shape {mosaic.shape}; wanted [H, W] with even sides")
    return mosaic[:: -1 if row else 1, :: -1 if column else 1]


def shifted(pattern: str, rows: int, columns: int) -> str:
    """The pattern of a mosaic without its first rows and columns.

    Raises:
        UsageError: an unknown pattern.
    """
    row, column = lookup(RED, pattern, "CFA pattern")
    return next(name for name, red in RED.items() if red == ((row + rows) % 2, (column + columns) % 2))


def flipped(pattern: str, height: int, width: int, down: bool, across: bool) -> str:
    """The pattern of a mosaic [H, W] turned upside down, or left to right.

    Raises:
        UsageError: an unknown pattern.
    """
    return shifted(pattern, down * (height + 1), across * (width + 1))


def on_mosaics(denoiser: Callable[[np.ndarray], np.ndarray], pattern: str | None) -> Callable[[np.ndarray], np.ndarray]:
    """A denoiser of planes as one of mosaics [H, W, 1] of even sides, which are flipped to begin with red."""
    if pattern is None:
        return denoiser

    def of_mosaic(mosaic: np.ndarray) -> np.ndarray:
        planes = denoiser(pack(turned(mosaic[..., 0], pattern), "RGGB"))
        return turned(unpack(planes, "RGGB", *mosaic.shape[:2]), pattern)[..., None]

    return of_mosaic
