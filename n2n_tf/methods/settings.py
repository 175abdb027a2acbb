"""What a run is told of its method. Imports no TensorFlow.

A new method is a file beside this one, its settings here, and their place in the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from n2n_tf.config import Range, UsageError, at_least, checked, part, parts, setting
from n2n_tf.methods.samplers import SAMPLERS, FixedSettings, NeighborsSettings
from n2n_tf.noise.settings import GaussianSettings

if TYPE_CHECKING:
    import keras

    from n2n_tf.methods.base import Method
    from n2n_tf.noise.settings import NoiseSettings

DEFAULT_METHOD = "neighbor2neighbor"
GAMMAS, AUTO = (0.0, 0.5, 2.0, 8.0), "auto"  # trials of γ
CLEAN, SHOT = "clean images", "second noisy shots"  # what a method may have as targets


@dataclass(frozen=True)
class Setup:
    """What a method is told of the run around it: its length, its seed, and what the noise is known to be."""

    steps: int
    epochs: int
    seed: int
    noise: NoiseSettings


@dataclass(frozen=True)
class MethodSettings:
    """Of any method.

    Attributes:
        name: how flags and files call it.
        about: what it is, in help.
        network: the one it takes if none is named.
        target: what it learns from besides noisy images: None, `CLEAN` or `SHOT`.
        divides: crops must have sides that the network takes after they are divided by it.
        distance: in pixels, from which on it takes noise for independent.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    network: ClassVar[str] = "residual_unet"
    target: ClassVar[str | None] = None
    divides: ClassVar[int] = 1
    distance: ClassVar[int] = 1
    known_sigma: ClassVar[float] = 0.0

    @property
    def smallest(self) -> int:
        """Side of the smallest image that it can score."""
        return max(2, self.divides)

    def __post_init__(self) -> None:
        checked(self)

    def check_noise(self, noise: NoiseSettings) -> None:
        """Raise UsageError if the method cannot work with this noise."""

    def candidates(self) -> tuple[MethodSettings, ...]:
        """What trials choose from where a setting is left to them; itself alone if none is."""
        return (self,)

    def build(self, network: keras.Model, setup: Setup) -> Method:
        """The method around its network."""
        raise NotImplementedError


@dataclass(frozen=True)
class Neighbor2NeighborSettings(MethodSettings):
    """Of `Neighbor2Neighbor`."""

    name: ClassVar[str] = "neighbor2neighbor"
    about: ClassVar[str] = "noisy images alone"
    gamma: str | float = setting(
        2.0, "weight of the regularizer; the paper: 2 synthetic noise, 1 raw; auto: the best of "
        f"{', '.join(map(str, GAMMAS))} in short trials", within=at_least(0, 1e6), word=AUTO,
    )  # fmt: skip
    gamma_schedule: str = setting("ramp", "ramp (gamma grows with the epoch) or constant", ("ramp", "constant"))
    sampler: NeighborsSettings | FixedSettings = part(SAMPLERS, "neighbors", "sub-sampler")

    @property
    def divides(self) -> int:  # type: ignore[override]
        return self.sampler.divides

    @property
    def distance(self) -> int:  # type: ignore[override]
        return self.sampler.distance

    def candidates(self) -> tuple[MethodSettings, ...]:
        return tuple(replace(self, gamma=gamma) for gamma in GAMMAS) if self.gamma == AUTO else (self,)

    def build(self, network: keras.Model, setup: Setup) -> Method:
        from n2n_tf.methods.gamma import GammaRamp
        from n2n_tf.methods.neighbor2neighbor import Neighbor2Neighbor

        if isinstance(self.gamma, str):
            raise ValueError("gamma auto: build one of the candidates")
        ramp = self.gamma_schedule == "ramp"
        gamma = GammaRamp(self.gamma, setup.epochs, setup.steps // setup.epochs) if ramp else self.gamma
        return Neighbor2Neighbor(network, gamma, setup.seed, self.sampler.build())


@dataclass(frozen=True)
class Noise2CleanSettings(MethodSettings):
    """Of `Supervised` with clean targets, the paper's N2C."""

    name: ClassVar[str] = "n2c"
    about: ClassVar[str] = "clean targets"
    target: ClassVar[str | None] = CLEAN

    def build(self, network: keras.Model, setup: Setup) -> Method:
        from n2n_tf.methods.supervised import Supervised

        return Supervised(network, setup.seed)


@dataclass(frozen=True)
class Noise2NoiseSettings(Noise2CleanSettings):
    """Of `Supervised` with noisy targets, the paper's N2N."""

    name: ClassVar[str] = "noise2noise"
    about: ClassVar[str] = "a second shot"
    target: ClassVar[str | None] = SHOT


@dataclass(frozen=True)
class Noise2VoidSettings(MethodSettings):
    """Of `Noise2Void`."""

    name: ClassVar[str] = "noise2void"
    about: ClassVar[str] = "hidden pixels"
    masked: float = setting(1.5, "percent of the pixels that are hidden in a step", within=at_least(0.1, 25))
    radius: int = setting(5, "of the window that a hidden pixel's value comes from", within=at_least(1, 32))
    replacement: str = setting(
        "uniform", "value of a hidden pixel: uniform (any of its window), others (but itself) or median (of these)",
        ("uniform", "others", "median"),
    )  # fmt: skip

    @property
    def smallest(self) -> int:
        return box_side(self.masked)

    def build(self, network: keras.Model, setup: Setup) -> Method:
        from n2n_tf.methods.noise2void import Noise2Void

        return Noise2Void(network, self.masked, self.radius, self.replacement, setup.seed)


@dataclass(frozen=True)
class KnownNoise(MethodSettings):
    """Of methods that add noise of the images' own kind: Gaussian, of one known level."""

    known_sigma: float = setting(  # type: ignore[misc]
        0.0, "standard deviation, 0-255 of the value range, of the gaussian noise that the images have; 0: of `noise` "
        "gaussian", within=at_least(0, 2550),
    )  # fmt: skip

    def check_noise(self, noise: NoiseSettings) -> None:
        self.level(noise)

    def level(self, noise: NoiseSettings) -> float:
        """σ for intensities in [0, 1]."""
        sigma = noise.sigma if isinstance(noise, GaussianSettings) else ()
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
    about: ClassVar[str] = "two images of one, by the known noise"
    alpha: float = setting(
        0.15, "share of the noise that goes to the input; the rest is the target's",
        within=Range(0, 1, above=True, below=True),
    )  # fmt: skip

    def build(self, network: keras.Model, setup: Setup) -> Method:
        from n2n_tf.methods.recorrupted2recorrupted import Recorrupted2Recorrupted

        return Recorrupted2Recorrupted(network, self.level(setup.noise), self.alpha, setup.seed)


def box_side(masked: float) -> int:
    """Side in pixels of the boxes of which noise2void hides a pixel each, `masked` percent of all."""
    return max(1, round((100 / masked) ** 0.5))


METHODS = parts(
    Neighbor2NeighborSettings, Noise2CleanSettings, Noise2NoiseSettings, Noise2VoidSettings, Noisier2NoiseSettings,
    Recorrupted2RecorruptedSettings,
)  # fmt: skip
