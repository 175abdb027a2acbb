"""What a run is told of methods that add noise of the images' own kind. Imports no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from n2n_tf.config import Range, UsageError, at_least, setting
from n2n_tf.methods.base_settings import MethodSettings, Setup
from n2n_tf.noise.settings import GaussianSettings

if TYPE_CHECKING:
    import keras

    from n2n_tf.methods.base import Method
    from n2n_tf.noise.settings import NoiseSettings


def levels(noise: NoiseSettings) -> tuple[float, ...]:
    """σ of 255 of noise that is added, or its range; none where it is not gaussian."""
    return noise.sigma if isinstance(noise, GaussianSettings) else ()


@dataclass(frozen=True)
class KnownNoise(MethodSettings):
    """Of methods that have to know the noise: Gaussian, of one level."""

    known_sigma: float = setting(  # type: ignore[misc]
        0.0, "standard deviation, 0-255 of the value range, of the gaussian noise that the images have; 0: of `noise` "
        "gaussian, or as measured", within=at_least(0, 2550),
    )  # fmt: skip

    def check(self, noise: NoiseSettings) -> None:
        self.level(noise)

    def level(self, noise: NoiseSettings) -> float:
        """σ for intensities in [0, 1]."""
        sigma = levels(noise)
        if noise.name == "none" and self.known_sigma:
            sigma = (self.known_sigma,)
        if noise.name != "none" and self.known_sigma:
            raise UsageError(f"`known_sigma` with `noise` {noise.name}: is for images that are noisy; leave it out")
        if len(sigma) != 1:
            raise UsageError(
                f"`method` {self.name}: wants gaussian noise of one known level: `noise` gaussian with one `sigma`, or "
                "`known_sigma` for images that are noisy already"
            )
        return sigma[0] / 255


@dataclass(frozen=True)
class Noisier2NoiseSettings(KnownNoise):
    """Of `Noisier2Noise`."""

    name: ClassVar[str] = "noisier2noise"
    about: ClassVar[str] = "more of the known noise"

    def build(self, network: keras.Model, setup: Setup) -> Method:
        from n2n_tf.methods.noisier2noise import Noisier2Noise

        return Noisier2Noise(network, self.level(setup.noise), setup.seed)


@dataclass(frozen=True)
class Recorrupted2RecorruptedSettings(KnownNoise):
    """Of `Recorrupted2Recorrupted`."""

    name: ClassVar[str] = "recorrupted2recorrupted"
    about: ClassVar[str] = "two images of one, by the known or measured noise"
    alpha: float = setting(
        0.15, "share of the noise that goes to the input; the rest is the target's",
        within=Range(0, 1, above=True, below=True),
    )  # fmt: skip

    @property
    def measures(self) -> str:  # type: ignore[override]
        return "" if self.known_sigma else f"`method` {self.name} without `known_sigma`"

    def check(self, noise: NoiseSettings) -> None:
        if noise.name != "none" or self.known_sigma:
            self.level(noise)

    def build(self, network: keras.Model, setup: Setup) -> Method:
        from n2n_tf.methods.recorrupted2recorrupted import Recorrupted2Recorrupted

        measured = setup.noise.name == "none" and self.measures
        # before the noise is measured there is a method too, to find other errors; it would not learn
        sigma = (setup.measured or float("nan")) if measured else self.level(setup.noise)
        return Recorrupted2Recorrupted(network, sigma, self.alpha, setup.seed)
