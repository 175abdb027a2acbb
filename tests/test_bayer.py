import numpy as np
import pytest

from n2n_tf.config import UsageError
from n2n_tf.formats import bayer

SIZES = [(2, 2), (2, 3), (3, 2), (5, 7), (8, 8), (9, 4)]
PATTERNS = sorted(bayer.RED)


def color(pattern, row, column):
    """R, G, B of a pixel, and for G which row it shares: the definition, one pixel at a time."""
    letter = pattern[row % 2 * 2 + column % 2]
    if letter != "G":
        return letter
    return "G" + ("R" if "R" in pattern[row % 2 * 2 : row % 2 * 2 + 2] else "B")


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_each_pixel_lies_in_the_plane_of_its_color_and_comes_back(pattern, height, width):
    mosaic = np.random.default_rng(0).random((height, width))
    planes = bayer.pack(mosaic, pattern)
    order = ["R", "GR", "GB", "B"]
    for plane, name in enumerate(order):
        held = {mosaic[row, column] for row in range(height) for column in range(width)
                if color(pattern, row, column) == name}  # fmt: skip
        assert set(planes[..., plane].ravel()) == held
    top, left = bayer.RED[pattern]
    for row in range(height):
        for column in range(width):
            plane = order.index(color(pattern, row, column))
            assert planes[(row + top) // 2, (column + left) // 2, plane] == mosaic[row, column]
    np.testing.assert_array_equal(bayer.unpack(planes, pattern, height, width), mosaic)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_crops_and_flips_tell_their_pattern(pattern, height, width):
    names = np.array([[color(pattern, row, column) for column in range(width)] for row in range(height)])
    for rows, columns in ((0, 1), (1, 0), (1, 1), (2, 3)):
        part = names[rows:, columns:]
        cropped = bayer.shifted(pattern, rows, columns)
        assert part.tolist() == [[color(cropped, r, c) for c in range(part.shape[1])] for r in range(part.shape[0])]
    for down, across in ((True, False), (False, True), (True, True)):
        turned = names[:: -1 if down else 1, :: -1 if across else 1]
        flipped = bayer.flipped(pattern, height, width, down, across)
        assert turned.tolist() == [[color(flipped, r, c) for c in range(width)] for r in range(height)]


def test_what_is_no_mosaic_is_refused():
    with pytest.raises(UsageError, match="CFA pattern: 'RGBG' is not known"):
        bayer.pack(np.zeros((4, 4)), "RGBG")
    for shape in ((1, 4), (4, 4, 3)):
        with pytest.raises(ValueError, match=r"wanted \[H, W\] of at least 2×2 pixels"):
            bayer.pack(np.zeros(shape), "RGGB")
    with pytest.raises(ValueError, match=r"wanted \(2, 3, 4\) for a RGGB mosaic of 4×5"):
        bayer.unpack(np.zeros((2, 2, 4)), "RGGB", 4, 5)
