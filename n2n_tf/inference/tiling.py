"""Cut an image into overlapping tiles so that the network gives the same as on the whole."""

from dataclasses import dataclass

import numpy as np

Place = tuple[slice, slice]  # rows and columns


@dataclass(frozen=True)
class Span:
    """One tile along one axis: pixels [start, stop) go into the network, [first, last) of its output are kept."""

    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True)
class Tile:
    """A part of a denoised image.

    Attributes:
        place: rows and columns of the image.
        denoised: float32 [h, w, C], in the network's numbers, see `Units`.
        spread: standard deviation over the 8 flips and rotations, likewise; None if these were not made.
    """

    place: Place
    denoised: np.ndarray
    spread: np.ndarray | None = None


def spans(length: int, side: int, halo: int) -> list[Span]:
    """Cut an axis into tiles of equal length whose kept parts cover it once.

    Each tile but those at the ends has `halo` pixels on either side of what is kept. The ends of the axis are ends
    of tiles, so that the network's own zero padding falls where it falls on the whole image.

    Args:
        length: of the axis.
        side: of a tile; less than `length` only if above 2·halo.
        halo: overlap. With `length` and `side` multiples of the network's cell, so that its poolings stay aligned.
    """
    step = side - 2 * halo
    starts = [*range(0, length - side, step), length - side] if side < length else [0]
    edges = [0, *(start + halo for start in starts[1:]), length]
    return [
        Span(start, min(start + side, length), first, last)
        for start, first, last in zip(starts, edges[:-1], edges[1:], strict=True)
    ]


def kept(rows: Span, columns: Span) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """What is kept of a tile: its place in the image, and in the tile."""
    in_image = slice(rows.first, rows.last), slice(columns.first, columns.last)
    in_tile = (
        slice(rows.first - rows.start, rows.last - rows.start),
        slice(columns.first - columns.start, columns.last - columns.start),
    )
    return in_image, in_tile


def tile_shape(height: int, width: int, cell: int, halo: int, most: int, longest: int | None = None) -> tuple[int, int]:
    """The tile of at most `most` pixels with which the network has least to compute.

    Args:
        height, width: of the image, multiples of `cell`.
        cell, halo: as for `spans`.
        most: pixels of a tile; at least (2·halo + cell)².
        longest: side of a tile; at least 2·halo + cell.

    Returns:
        Height and width, multiples of `cell`.
    """
    longest = longest or max(height, width)
    if height * width <= most and max(height, width) <= longest:
        return height, width
    shapes = (
        (rows, columns)
        for rows in _sides(height, cell, halo)
        for columns in _sides(width, cell, halo)
        if rows * columns <= most and max(rows, columns) <= longest
    )

    def cost(shape: tuple[int, int]) -> int:
        return len(spans(height, shape[0], halo)) * len(spans(width, shape[1], halo)) * shape[0] * shape[1]

    return min(shapes, key=cost)


def _sides(length: int, cell: int, halo: int) -> list[int]:
    """For each number of tiles, the shortest that cover the axis; the whole axis too."""
    kept = length - 2 * halo
    shares = (-(-kept // count) for count in range(2, kept // cell + 1))
    return sorted({length, *(-(-share // cell) * cell + 2 * halo for share in shares)})


def padded_part(image: np.ndarray, rows: Span, columns: Span) -> np.ndarray:
    """Pixels of `image` padded by reflection at its right and bottom, without padding all of it."""
    part = image[rows.start : rows.stop, columns.start : columns.stop]
    missing = (rows.stop - rows.start - part.shape[0], columns.stop - columns.start - part.shape[1])
    return np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), "reflect")


def overlap(tile: Place, place: Place) -> tuple[Place, Place]:
    """What a tile and another place of the image have in common: where it lies in the tile, and in the place."""
    rows, columns = (
        (max(one.start, other.start), max(one.start, other.start, min(one.stop, other.stop)))
        for one, other in zip(tile, place, strict=True)
    )

    def within(whole: Place) -> Place:
        (top, bottom), (left, right) = rows, columns
        down, across = whole[0].start, whole[1].start
        return slice(top - down, bottom - down), slice(left - across, right - across)

    return within(tile), within(place)
