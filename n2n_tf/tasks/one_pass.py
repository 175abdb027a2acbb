"""One image through a denoiser, with what an estimate of its error and a map of that are made from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from n2n_tf.inference import Denoiser
from n2n_tf.inference.ranged import Units
from n2n_tf.inference.tiling import Place, overlap
from n2n_tf.inference.uncertainty import deviation, smoothed_variance
from n2n_tf.inspection.image_noise import ImageNoise
from n2n_tf.inspection.images import middle_place
from n2n_tf.meter.sure import Stein
from n2n_tf.tasks.zarr_blocks import widened
from n2n_tf.value_range import UNIT

LARGEST = 2**20  # pixels that are measured; of larger images the middle
WHOLE = slice(None), slice(None)


@dataclass
class OnePass:
    """Noisy and denoised.

    Attributes:
        denoiser: of it.
        image: [H, W, C], of any type, all of whose pixels are numbers.
        units: what they mean.
        place: what is measured.
        result: of the image's type.
        unit: float32, the result in `place`, in units of the value range.
        spread: float32 [H, W, C], over the flips and rotations, in the network's numbers; None if it is not wanted.
    """

    denoiser: Denoiser
    image: np.ndarray
    units: Units
    place: Place
    result: np.ndarray
    unit: np.ndarray
    spread: np.ndarray | None

    def error(self, stein: Stein, noise: ImageNoise) -> float:
        """The mean squared error in `place`, in units of the value range squared; one more pass there.

        The noise of the probe is added in `place` alone; the pixels around it are there for the network's reach.

        Raises:
            ValueError: too little memory.
        """
        scale = self.units.scale(self.image.dtype)
        outer, inner = self._surroundings()
        around = scale.to_unit(self.image[outer])

        def denoise(moved: np.ndarray) -> np.ndarray:
            whole = around.copy()
            whole[inner] = moved
            return _on_unit(self.denoiser, whole, self.image.nbytes)[inner]

        return stein.add(around[inner], self.unit, denoise, noise.seen_at(scale))

    def map(self, mse: float) -> np.ndarray:
        """The standard deviation of the error to expect, float32 [H, W, C], in the image's own units; once.

        Args:
            mse: of `error`, above 0.

        Raises:
            ValueError: there is no spread.
        """
        if self.spread is None:
            raise ValueError("no spread; wanted a pass with it")
        span = self.units.scale(self.image.dtype).span
        return deviation(smoothed_variance(self.spread), mse, self.place, span)

    def _surroundings(self) -> tuple[Place, Place]:
        """What the network has to see for `place`, and where that lies in it."""
        if self.unit.shape == self.image.shape:
            return WHOLE, WHOLE
        if self.denoiser.footprint is None:
            return WHOLE, self.place
        cell = self.denoiser.cell
        outer, inner = widened(self.place, max(self.denoiser.halo, cell), cell, self.image.shape[:2])
        return (outer[0], outer[1]), (inner[0], inner[1])


def one_pass(
    denoiser: Denoiser, image: np.ndarray, units: Units, spread: bool, advance: Callable[[float], None]
) -> OnePass:
    """Denoise an image, as `OnePass` has it.

    Args:
        denoiser, image, units: as there.
        spread: whether that is wanted; takes 8 times as long.
        advance: called with the pixels done.

    Raises:
        ValueError: too little memory.
    """
    place = middle_place(image.shape, LARGEST)
    result, unit = np.empty_like(image), np.empty(image[place].shape, np.float32)
    found = np.empty(image.shape, np.float32) if spread else None
    for tile in denoiser.tiles(image, units, spread):
        result[tile.place] = units.leave(tile.denoised, result.dtype)
        there, here = overlap(tile.place, place)
        unit[here] = units.to_unit(tile.denoised[there])
        if found is not None:
            found[tile.place] = tile.spread
        advance(tile.denoised.shape[0] * tile.denoised.shape[1])
    return OnePass(denoiser, image, units, place, result, unit, found)


def _on_unit(denoiser: Denoiser, image: np.ndarray, held: int) -> np.ndarray:
    """Denoise an image in units of the value range, float32 [H, W, C], while others of so many bytes are held."""
    units, result = Units(denoiser.value_range, UNIT), np.empty_like(image)
    for tile in denoiser.tiles(image, units, held=held + image.nbytes):
        result[tile.place] = units.to_unit(tile.denoised)
    return result
