"""What a run is told of its noise. Imports no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from n2n_tf.config import UsageError, above, at_least, checked, parts, setting, words

if TYPE_CHECKING:
    from n2n_tf.noise import Noise

AUTO = "auto"  # in the place of a number


@dataclass(frozen=True)
class NoNoise:
    """The images are noisy already."""

    name: ClassVar[str] = "none"
    about: ClassVar[str] = "they are noisy"
    noise_once: ClassVar[bool] = False

    def build(self) -> Noise | None:
        """Nothing is added."""
        return None


@dataclass(frozen=True)
class Synthetic:
    """Noise that is added to clean images."""

    noise_once: bool = setting(
        False, "freeze the noise of each image, as in a real set with one shot of each scene; slower on large images"
    )

    def __post_init__(self) -> None:
        checked(self)


@dataclass(frozen=True)
class GaussianSettings(Synthetic):
    """Of `Gaussian`."""

    name: ClassVar[str] = "gaussian"
    about: ClassVar[str] = "equally strong everywhere"
    sigma: tuple[float, ...] = setting(
        (25.0,), "standard deviation of gaussian noise, 0-255, or a range", metavar="S", within=above(0, 2550)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ascending("sigma", self.sigma)

    def build(self) -> Noise:
        """With σ for intensities in [0, 1]."""
        from n2n_tf.noise.gaussian import Gaussian

        return Gaussian(*(sigma / 255 for sigma in self.sigma))


@dataclass(frozen=True)
class PoissonSettings(Synthetic):
    """Of `Poisson`."""

    name: ClassVar[str] = "poisson"
    about: ClassVar[str] = "as photons, stronger where it is bright"
    lam: tuple[float, ...] = setting(
        (30.0,), "poisson counts at intensity 1, or a range", metavar="L", within=above(0, 1e6)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ascending("lam", self.lam)

    def build(self) -> Noise:
        """The noise model."""
        from n2n_tf.noise.poisson import Poisson

        return Poisson(*self.lam)


@dataclass(frozen=True)
class CameraSettings(Synthetic):
    """Of `Camera`."""

    name: ClassVar[str] = "camera"
    about: ClassVar[str] = "as of raw files, of photons and of reading out"
    gain: tuple[float, ...] = setting(
        (0.00068674, 0.02194856), "variance of camera noise per intensity, or a range in which that of each image is "
        "drawn by its logarithm; the default: of SIDD's phones", metavar="A", within=above(0, 1),
    )  # fmt: skip
    read: str | float = setting(
        AUTO, "standard deviation of camera noise where it is dark, for intensities in [0, 1]; auto: drawn for each "
        "image, near what SIDD's phones have beside such a `gain`", metavar="S", within=at_least(0, 1), word=AUTO,
    )  # fmt: skip
    clipped: bool = setting(
        False, "cut camera noise off at black and white, as most files are; its mean is not zero then, which "
        "neighbor2neighbor relies on",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ascending("gain", self.gain)

    def build(self) -> Noise:
        """The noise model."""
        from n2n_tf.noise.camera import Camera

        lowest, highest = self.gain[0], self.gain[-1]
        return Camera(lowest, highest, None if self.read == AUTO else float(self.read), self.clipped)


def check_ascending(name: str, values: tuple[float, ...]) -> None:
    """Raise UsageError unless the values are one number, or a range."""
    if len(values) not in (1, 2) or list(values) != sorted(values):
        raise UsageError(f"`{name}` {words(values)}: wanted one number, or two in ascending order")


NOISES = parts(NoNoise, GaussianSettings, PoissonSettings, CameraSettings)
NoiseSettings = NoNoise | GaussianSettings | PoissonSettings | CameraSettings
