"""Which sides of images and tiles a network takes, as a bioimage.io package tells them."""

import logging
from dataclasses import dataclass

import keras

from n2n_tf.inference import footprint_of
from n2n_tf.inference.denoiser import SIDE_MULTIPLE

logger = logging.getLogger(__name__)

TESTED = 128  # least side of the test image


@dataclass(frozen=True)
class Sides:
    """Which sides of images a network takes: `least` + n·`step` pixels.

    Attributes:
        halo: pixels at each edge of a tile that the surroundings have a part in; 0 if that is not known.
    """

    least: int
    step: int
    halo: int

    @property
    def tested(self) -> int:
        """The smallest that a test image has."""
        return self.least + max(0, -(-(TESTED - self.least) // self.step)) * self.step


def sides_of(network: keras.Model) -> Sides:
    """Tiles that are cut with the halo, at multiples of the step, give what the whole image gives."""
    try:
        footprint = footprint_of(network)
    except ValueError as error:
        logger.info("%s: the package has no halo, and is for whole images", error)
        return Sides(SIDE_MULTIPLE, SIDE_MULTIPLE, 0)
    halo = -(-footprint.reach // footprint.cell) * footprint.cell
    return Sides(2 * halo + footprint.cell, footprint.cell, halo)
