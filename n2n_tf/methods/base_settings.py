"""What a run is told of any method. Imports no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from n2n_tf.config import at_least, checked, setting

if TYPE_CHECKING:
    import keras

    from n2n_tf.methods.base import Method
    from n2n_tf.noise.measured import MeasuredNoise
    from n2n_tf.noise.settings import NoiseSettings

DEEPEST = 32  # what a network divides the sides of an image by: five poolings
CLEAN, SHOT = "clean images", "second noisy shots"  # what a method may have as targets


def known_sigma() -> Any:
    """The setting of methods that may know the noise that images come with."""
    return setting(
        0.0, "standard deviation, 0-255 of the value range, of the gaussian noise that the images have; 0: of `noise` "
        "gaussian, or, by recorrupted2recorrupted, as it is measured", within=at_least(0, 2550),
    )  # fmt: skip


@dataclass(frozen=True)
class Setup:
    """What a method is told of the run around it: its length, its seed, and what the noise is known to be.

    Attributes:
        noise: that is added; none if the images are noisy.
        measured: what noise such images have, for batches of them; None if it is not known.
        teacher: the denoiser that the settings name.
    """

    steps: int
    epochs: int
    seed: int
    noise: NoiseSettings
    measured: MeasuredNoise | None = None
    teacher: keras.Model | None = None


@dataclass(frozen=True)
class MethodSettings:
    """Of any method.

    Attributes:
        name: how flags and files call it.
        about: what it is, in help.
        network: the one it takes if none is named.
        target: what it learns from besides noisy images: None, `CLEAN` or `SHOT`.
        divides: crops must have sides that the network takes after they are divided by it.
        apart: in pixels, (down, right): what it takes to have independent noise; None if it assumes nothing of that.
        stages: the distance, (down, right), that a first stage compares, the next ones being taught; None without them.
        measures: the setting for which noise that images come with must be independent and measured; or empty.
        independent: whether it takes the noise of such images as independent.
        one_level: whether that noise must have the same level at all brightnesses.
        open: whether what noise the images have chooses that.
        teacher: where the denoiser lies whose results it learns; empty if it learns from none.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    network: ClassVar[str] = "residual_unet"
    target: ClassVar[str | None] = None
    divides: ClassVar[int] = 1
    apart: ClassVar[tuple[int, int] | None] = (1, 1)
    stages: ClassVar[tuple[int, int] | None] = None
    measures: ClassVar[str] = ""
    independent: ClassVar[bool] = False
    one_level: ClassVar[bool] = False
    open: ClassVar[bool] = False
    teacher: ClassVar[str] = ""
    known_sigma: ClassVar[float] = 0.0

    @property
    def smallest(self) -> int:
        """Side of the smallest image that it can score."""
        return max(2, self.divides)

    def __post_init__(self) -> None:
        checked(self)

    def check(self, noise: NoiseSettings) -> None:
        """Raise UsageError if the method lacks something, or cannot work with this noise."""

    def candidates(self) -> tuple[MethodSettings, ...]:
        """What trials choose from where a setting is left to them; itself alone if none is."""
        return (self,)

    def in_stages(self, teacher: str) -> tuple[MethodSettings, MethodSettings] | None:
        """Of the first stage, whose denoiser will lie at `teacher`, and of the second, where there are two."""
        return None

    def build(self, network: keras.Model, setup: Setup) -> Method:
        """The method around its network."""
        raise NotImplementedError
