"""What one block of an OME-Zarr image becomes, within the memory that there is."""

import copy
import math
import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from n2n_tf.formats.errors import MAX_PIXELS, UnusableImageError
from n2n_tf.formats.ome_zarr import OmeImage
from n2n_tf.formats.pyramid import block_means
from n2n_tf.formats.zarr_place import ZarrPlace, decoded, written
from n2n_tf.inference import Denoiser
from n2n_tf.tasks.zarr_blocks import Blocks, Region, blank, block_shape, is_fill, no_data, region_of, widened

OCCUPIED = 0.75  # GB of the process before any image, with zarr; measured
THREADS = 0.1  # GB of that which the denoiser's own account leaves out
SHARE = 0.35  # of the rest, that blocks may take; the network's tiles take what they leave
COPIES = 4  # of a block: noisy, denoised, what zarr decodes and what it encodes
MEANS = 10  # bytes for each pixel that block means are made of, besides the pixel itself
MIDDLE = 512  # side of what is looked at to see whether the units fit
PROBE = 96  # side of an image that tells denoisers apart


class BlockWork:
    """A denoiser and an image.

    Attributes:
        blocks: of each level.

    Args:
        denoiser: of one channel, for each plane; or of as many as the image has, for all channels together.
        image: the source.

    Raises:
        UnusableImageError: an image that is none for this denoiser.
        ValueError: too little memory, or a value range that would be another in each block.
    """

    def __init__(self, denoiser: Denoiser, image: OmeImage):
        if denoiser.told == "auto":
            raise ValueError("`range` auto: would be another in each block; say LOW HIGH, or dtype")
        self.image = image
        self._together = _channels_together(denoiser, image)
        self._memory = denoiser.memory
        self._margin = max(denoiser.halo, denoiser.cell)  # a cell at least: the end is padded from it
        self._whole = denoiser.footprint is None
        self._denoiser = copy.copy(denoiser)
        self.use([self._block(number) for number in range(len(image.levels))])

    def use(self, shapes: Sequence[Sequence[int]]) -> None:
        """Take these blocks, and the rest of the memory for the network's tiles.

        Raises:
            ValueError: they want more than there is.
        """
        need = max(self._need(number, shape) for number, shape in enumerate(shapes))
        if need > self._share:
            least = math.ceil(10 * (OCCUPIED + need / SHARE)) / 10
            raise ValueError(
                f"memory {self._memory:g} GB: blocks of {' and '.join(map(str, shapes))} pixels, which chunks, shards "
                f"or an earlier process made so large, need at least {least:g} GB"
            )
        self._denoiser.memory = self._memory - need - THREADS
        levels = zip(self.image.levels, shapes, strict=True)
        self.blocks = [Blocks(level.shape, tuple(shape)) for level, shape in levels]

    def misfit(self) -> str | None:
        """As `Denoiser.misfit`, of the middle of the smallest level."""
        level = self.image.levels[-1]
        starts = [max(0, length - MIDDLE) // 2 for length in level.shape[-2:]]
        middle = (*(length // 2 for length in level.shape[:-2]), *(slice(start, start + MIDDLE) for start in starts))
        array = self.image.place.array(level.path)
        return self._denoiser.misfit(decoded(lambda: np.asarray(array[middle])))

    def denoised(self, source: Any, region: Region) -> np.ndarray | None:
        """A block of the full size; None if it holds nothing but the fill value."""
        full = self.image.levels[0]
        outer, inner = widened(region, self._margin, self._denoiser.cell, full.shape)
        noisy = decoded(lambda: np.asarray(source[outer]))
        given = noisy[inner]
        result = given.copy()
        planes, results = self._planes(noisy), self._planes(result)
        last = 3 if self._together else 2
        for index in np.ndindex(results.shape[:-last]):
            if not no_data(results[index], full.fill).all():
                results[index] = self._on_plane(planes[index])[inner[-2:]]
        for chunk in np.argwhere(blank(given, full.fill, full.chunks)).tolist():
            place = region_of(chunk, full.chunks)
            result[place] = given[place]
        return None if is_fill(result, full.fill).all() else result

    def means(self, source: Any, region: Region, number: int) -> np.ndarray | None:
        """A block of a smaller level, of the one that it is made of; None if it is nothing but the fill value."""
        level = self.image.levels[number]
        parts = zip(region, level.factors, strict=True)
        above = tuple(slice(part.start * factor, part.stop * factor) for part, factor in parts)
        pixels = decoded(lambda: np.asarray(source[above]))
        if self.image.levels[level.above].fill == level.fill and is_fill(pixels, level.fill).all():
            return None
        result = block_means(pixels, level.factors, [part.stop - part.start for part in region])
        return None if is_fill(result, level.fill).all() else result

    def description(self) -> dict[str, Any]:
        """What tells this job from others: the image, its metadata, and what the denoiser makes of a test image."""
        place, dtype = self.image.place, self.image.levels[0].dtype
        digest = sha256(b"".join(name.encode() + data for name, data in sorted(self.image.documents.items())))
        noise = np.random.default_rng(0).random((PROBE, PROBE, self._denoiser.channels))
        probe = noise.astype(dtype) if dtype.kind == "f" else (noise * np.iinfo(dtype).max).astype(dtype)
        return {
            "source": os.path.abspath(place.path) if place.local else place.path,
            "metadata": digest.hexdigest(),
            "probe": self._denoiser(probe)[::16, ::16].astype(float).ravel().tolist(),
            "blocks": [blocks.block for blocks in self.blocks],
        }

    def _on_plane(self, plane: np.ndarray) -> np.ndarray:
        try:
            return self._denoiser(np.ascontiguousarray(plane))
        except ValueError as error:
            if not str(error).startswith("memory"):
                raise
            raise ValueError(f"{error}, besides what blocks of the Zarr take of {self._memory:g} GB") from error

    def _planes(self, block: np.ndarray) -> np.ndarray:
        """A view of a block, [..., H, W] or, for all channels together, [..., H, W, C]."""
        return np.moveaxis(block, self.image.axes.index("c"), -1) if self._together else block

    def _unit(self, number: int) -> tuple[int, ...]:
        """What is done at once at least: what is written at once; all channels, or whole planes, where it must be."""
        level = self.image.levels[number]
        unit = list(level.unit)
        wanted = {"c"} if self._together else set()
        if self._whole:
            wanted |= {"y", "x"}
            if math.prod(level.shape[-2:]) > MAX_PIXELS:
                raise UnusableImageError(
                    f"planes of {level.shape[-2]}×{level.shape[-1]} pixels, and no tiles for this model"
                )
        for axis, letter in enumerate(self.image.axes):
            if number == 0 and letter in wanted:
                unit[axis] = -(-level.shape[axis] // unit[axis]) * unit[axis]
        return tuple(unit)

    def _block(self, number: int) -> tuple[int, ...]:
        """For a level."""
        shape, unit = self.image.levels[number].shape, self._unit(number)
        return block_shape(shape, unit, self._share, lambda block: self._need(number, block))

    @property
    def _share(self) -> float:
        """GB that blocks may take."""
        return max(0.0, self._memory - OCCUPIED) * SHARE

    def _need(self, number: int, block: Sequence[int]) -> float:
        """GB that a block takes."""
        level = self.image.levels[number]
        block = [min(n, side) for n, side in zip(level.shape, block, strict=True)]
        if number:
            return math.prod(block) * math.prod(level.factors) * (level.dtype.itemsize + MEANS) / 1e9
        sides = (min(n, side + 2 * self._margin) for n, side in zip(level.shape[-2:], block[-2:], strict=True))
        return math.prod(block[:-2]) * math.prod(sides) * level.dtype.itemsize * COPIES / 1e9


def maker(work: BlockWork, place: ZarrPlace, level: int) -> Callable[[int], bool]:
    """What makes a block of a level, by its number, and tells whether there is anything but the fill value in it.

    Args:
        work: of the image.
        place: where the result grows; the level that this one is made of is whole there.
        level: its number.
    """
    image = work.image
    array = place.array(image.levels[level].path, "r+")
    source = (place if level else image.place).array(image.levels[image.levels[level].above].path)

    def make(number: int) -> bool:
        region = work.blocks[level][number]
        result = work.means(source, region, level) if level else work.denoised(source, region)
        if result is not None:
            written(array, region, result)
        return result is not None

    return make


def same_job(record: dict[str, Any], job: dict[str, Any]) -> bool:
    """Whether a record is of this job; another machine's rounding does not make it another one."""
    old = record.get("job")
    if not isinstance(old, dict) or any(old.get(name) != job[name] for name in ("source", "metadata")):
        return False
    one, other = np.asarray(old.get("probe"), float), np.asarray(job["probe"], float)
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-3, atol=1e-3 * np.abs(other).max())


def _channels_together(denoiser: Denoiser, image: OmeImage) -> bool:
    """Whether the denoiser takes all channels of a pixel.

    Raises:
        UnusableImageError: it takes several, but not as many as there are.
    """
    sizes = dict(zip(image.axes, image.levels[0].shape, strict=True))
    if denoiser.channels not in (1, sizes.get("c")):
        raise UnusableImageError(
            f"{sizes.get('c', 1)} channels; this model takes {denoiser.channels}: use one of as many, or of one"
        )
    return denoiser.channels > 1
