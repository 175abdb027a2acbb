"""The noise of a few images, as far as an estimate of the error has to know it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from n2n_tf.inspection.images import part_names
from n2n_tf.inspection.measure import Part, measured_parts, worst_correlation
from n2n_tf.inspection.measured import Measured, measured_of, obstacle
from n2n_tf.meter import Correlation
from n2n_tf.value_range import ValueRange


@dataclass(frozen=True)
class ImageNoise:
    """What was measured.

    Attributes:
        parts: of each kind of channel.
        channels: of the images.
        scale: which numbers of theirs are 0 and 1 of the value range.
    """

    parts: Sequence[Part]
    channels: int
    scale: ValueRange

    @property
    def correlation(self) -> Correlation | None:
        """Of the part where it is strongest."""
        return worst_correlation(self.parts)

    @property
    def measured(self) -> Measured:
        return measured_of(self.parts, self.channels)

    @property
    def obstacle(self) -> str:
        """Why the error of a denoiser cannot be estimated; empty if it can."""
        return obstacle(self.parts, self.channels)

    def seen_at(self, scale: ValueRange) -> "Seen":
        """The same for an image whose own numbers at 0 and 1 are others."""
        return Seen(self.measured, self.scale, scale)


@dataclass(frozen=True)
class Seen:
    """Noise that was measured in units of one value range, for images in units of another.

    Attributes:
        noise: as it was measured.
        measured: that range.
        scale: of the images.
    """

    noise: Measured
    measured: ValueRange
    scale: ValueRange

    def variance(self, image: np.ndarray) -> np.ndarray:
        """Of the noise of each pixel, [H, W, C], from noisy values."""
        if self.scale == self.measured:
            return self.noise.variance(image)
        there = self.measured.to_unit(self.scale.from_unit(image))
        return self.noise.variance(there) * (self.measured.span / self.scale.span) ** 2

    @property
    def level(self) -> float:
        return self.noise.level

    @property
    def level_error(self) -> float:
        return self.noise.level_error


def image_noise(images: Sequence[np.ndarray], kind: str, scale: ValueRange) -> ImageNoise:
    """Measure a few images of one kind together.

    Args:
        images: float32 [H, W, C], in units of the value range.
        kind: of them, a name of `KINDS`; unlike channels are measured alone, `MOST_PARTS` of them at most.
        scale: which numbers of theirs are 0 and 1.
    """
    channels = images[0].shape[-1]
    return ImageNoise(measured_parts(images, part_names(kind, channels)), channels, scale)
