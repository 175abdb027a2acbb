"""The images that are inspected: some of a source, as stored, and what their numbers mean."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from n2n_tf.config import RunError
from n2n_tf.config.kinds import CHANNELS, MOSAIC
from n2n_tf.data.finding import reason
from n2n_tf.data.settings import ImageSettings
from n2n_tf.data.source import Source
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.pixels import in_unit_range
from n2n_tf.meter.images import SIDE
from n2n_tf.value_range import UNIT, ValueRange, range_of_type

HELD = 2**26  # numbers of all images together that are held; of larger images the middle is
ALIGNED = 16  # pixels that a middle begins at a multiple of: JPEG's blocks stay where they are


@dataclass(frozen=True)
class Looked:
    """The images that are inspected.

    Attributes:
        stored: [H, W, C] each, as files hold them.
        settings: how they are taken.
        value_range: the intensities at 0 and 1; None if their types say it.
        found: images there are.
        unit: what one is called.
        skipped: files that cannot be used, with the reason.
        sides: height and width of the smallest.
        cut: whether only the middle of some is held.
    """

    stored: tuple[np.ndarray, ...]
    settings: ImageSettings
    value_range: ValueRange | None
    found: int
    unit: str
    skipped: Mapping[str, str]
    sides: tuple[int, int]
    cut: bool

    @property
    def scale(self) -> ValueRange:
        """What 0 and 1 are in the images' own units."""
        return self.value_range or (UNIT if self.settings.is_mosaic else range_of_type(self.stored[0].dtype))

    @property
    def megapixels(self) -> float:
        return sum(image.shape[0] * image.shape[1] for image in self.stored) / 1e6

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of what is measured alone: planes of a mosaic, channels of unlike things; else all together."""
        return part_names(self.settings.image_kind, self.settings.channels)

    def unit_images(self, part: int | None = None) -> Iterator[np.ndarray]:
        """float32 [H, W, C] in units of the value range, one after the other; or one channel of each."""
        for image in self.stored:
            yield in_unit_range(image if part is None else image[..., part : part + 1], self.value_range)


def part_names(kind: str, channels: int) -> tuple[str, ...]:
    """What is measured alone, as `Looked.parts` has it."""
    if kind == MOSAIC:
        return ("R", "G1", "G2", "B")
    if kind == CHANNELS:
        return tuple(f"channel {number + 1}" for number in range(channels))
    return ("all",)


def look(source: Source, settings: ImageSettings, images: int, most: int = HELD) -> Looked:
    """Some images of a source whose value range is chosen, evenly spaced.

    Args:
        source: of the images.
        settings: how they are taken.
        images: at most so many.
        most: numbers of all of them together.

    Raises:
        RunError: no usable image.
    """
    each = most // max(1, min(images, len(source))) // settings.channels
    stored, sides, cut = [], [], False
    for image in source.samples(images):
        sides.append(image.shape[:2])
        stored.append(middle(image, each))
        cut |= stored[-1].shape != image.shape
    looked = Looked(
        tuple(stored), settings, source.value_range, len(source), source.unit, dict(source.skipped),
        (min(h for h, _ in sides), min(w for _, w in sides)), cut,
    )  # fmt: skip
    _check(looked)
    return looked


def middle(image: np.ndarray, most: int) -> np.ndarray:
    """A copy of the middle of an image, of about `most` pixels; all of a smaller one."""
    place = middle_place(image.shape, most)
    return image if image[place].shape == image.shape else image[place].copy()


def middle_place(shape: Sequence[int], most: int) -> tuple[slice, slice]:
    """Where the middle of an image [H, W, C] lies, of about `most` pixels."""
    height, width = shape[:2]
    if height * width <= most:
        return slice(0, height), slice(0, width)
    share = (most / (height * width)) ** 0.5
    tall, wide = min(height, max(SIDE, int(height * share))), min(width, max(SIDE, int(width * share)))
    top, left = (height - tall) // 2 // ALIGNED * ALIGNED, (width - wide) // 2 // ALIGNED * ALIGNED
    return slice(top, top + tall), slice(left, left + wide)


def _check(looked: Looked) -> None:
    """Fail now if pixels are no intensities."""
    try:
        for image in looked.stored:
            in_unit_range(image[:1, :1], looked.value_range)
    except UnusableImageError as error:
        raise RunError(f"PATH: {reason(error)}") from error
