"""Planes of any file as an OME-TIFF of their axes, sizes and names."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from n2n_tf.formats.axes import NOWHERE, Axes
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import RGB, Page

SUFFIX = ".ome.tif"
ALONG = "TCZ"  # axes of the planes of one image
CLASSIC = 2**32 - 2**25  # bytes that a TIFF holds which is no BigTIFF, without those of its tags
UNITS = {"X": ("PhysicalSizeX", "µm"), "Y": ("PhysicalSizeY", "µm"), "Z": ("PhysicalSizeZ", "µm"),
         "T": ("TimeIncrement", "s")}  # fmt: skip


def write_ome(
    target: Path, sets: Sequence[Axes], pages: Sequence[Page], images: Iterator[tuple[int, np.ndarray]]
) -> None:
    """Write an OME-TIFF, compressed with Deflate; one plane is in memory.

    A set of planes is an image of it; one of further axes than `ALONG` is several.

    Args:
        target: path to write.
        sets: how the planes lie.
        pages: those of the file that they come from.
        images: number and pixels [H, W, C] of each, in the order of `in_order`.

    Raises:
        UnusableImageError: planes that are in other files, or of several sizes in one set.
        OSError: the file cannot be written.
    """
    parts = [part for each in sets for part in each.apart(ALONG)]
    by_number = {page.number: page for page in pages}
    if any((each.numbers == NOWHERE).any() for each in sets):
        raise UnusableImageError("some of its planes lie in another file, or nowhere; save it as one file")
    size = sum(_bytes(by_number[number]) for number in in_order(sets))
    with tifffile.TiffWriter(target, bigtiff=size > CLASSIC, ome=True) as new:
        for part in parts:
            _write_part(new, part, by_number, images)


def in_order(sets: Sequence[Axes]) -> list[int]:
    """The numbers of the planes, as `write_ome` takes them."""
    return [number for each in sets for part in each.apart(ALONG) for number in part.numbers.ravel().tolist()]


def _bytes(page: Page) -> int:
    return page.height * page.width * page.channels * np.dtype(page.dtype or "f8").itemsize


def _write_part(
    new: tifffile.TiffWriter, axes: Axes, pages: dict[int, Page], images: Iterator[tuple[int, np.ndarray]]
) -> None:
    wanted = axes.numbers.ravel().tolist()
    first = _next(images, wanted[0])
    samples = first.shape[-1]
    shape = first.shape if samples > 1 else first.shape[:2]
    is_rgb = pages[wanted[0]].kind == RGB

    def planes() -> Iterator[np.ndarray]:
        for number in wanted:
            image = first if number == wanted[0] else _next(images, number)
            if (image.shape, image.dtype) != (first.shape, first.dtype):
                raise UnusableImageError(f"plane {number + 1}: {image.shape} {image.dtype}, the first {first.shape}")
            yield np.ascontiguousarray(image.reshape(shape))

    new.write(
        planes(),
        shape=(*axes.numbers.shape, *shape),
        dtype=first.dtype,
        photometric="rgb" if is_rgb else "minisblack",
        planarconfig="contig" if samples > 1 else None,
        extrasamples=["unassalpha"] if is_rgb and samples == 4 else None,
        compression="zlib",
        predictor=True,
        metadata=_metadata(axes, "YXS" if samples > 1 else "YX"),
    )


def _next(images: Iterator[tuple[int, np.ndarray]], wanted: int) -> np.ndarray:
    number, image = next(images)
    if number != wanted:
        raise ValueError(f"plane {number}: wanted {wanted}, in the order of the axes")
    return image


def _metadata(axes: Axes, inside: str) -> dict[str, Any]:
    """As tifffile takes it."""
    told: dict[str, Any] = {"axes": axes.letters + inside}
    if axes.name:
        told["Name"] = axes.name
    if axes.channels:
        told["Channel"] = {"Name": list(axes.channels)}
    for axis, step in axes.steps.items():
        key, unit = UNITS[axis]
        told |= {key: step, f"{key}Unit": unit}
    return told
