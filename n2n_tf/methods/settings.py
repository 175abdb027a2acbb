"""What a run is told of its method. Imports no TensorFlow.

A new method is a file beside this one, its settings here, and their place in the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from n2n_tf.config import Range, UsageError, at_least, parts, setting
from n2n_tf.methods.base_settings import CLEAN, SHOT, MethodSettings, Setup, known_sigma
from n2n_tf.methods.blind_settings import Blind2UnblindSettings, DbsnSettings, Laine19Settings
from n2n_tf.methods.neighbor_settings import Neighbor2NeighborSettings, RenoisedSettings
from n2n_tf.noise.settings import GaussianSettings

if TYPE_CHECKING:
    import keras

    from n2n_tf.methods.base import Method
    from n2n_tf.noise.settings import NoiseSettings

DEFAULT_METHOD = "neighbor2neighbor"


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

    known_sigma: float = known_sigma()  # type: ignore[misc]

    def check(self, noise: NoiseSettings) -> None:
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
    about: ClassVar[str] = "two images of one, by the noise as it is known, or was measured"
    one_level: ClassVar[bool] = True
    alpha: float = setting(
        0.15, "share of the noise that goes to the input; the rest is the target's",
        within=Range(0, 1, above=True, below=True),
    )  # fmt: skip

    @property
    def measures(self) -> str:  # type: ignore[override]
        return "" if self.known_sigma else f"`method` {self.name} without `known_sigma`"

    @property
    def independent(self) -> bool:  # type: ignore[override]
        return not self.known_sigma

    def level(self, noise: NoiseSettings) -> float:
        """As of any; 0 where it is to be measured."""
        return 0.0 if noise.name == "none" and not self.known_sigma else super().level(noise)

    def build(self, network: keras.Model, setup: Setup) -> Method:
        from n2n_tf.methods.recorrupted2recorrupted import Recorrupted2Recorrupted

        sigma = self.level(setup.noise) or setup.measured or 0.0
        return Recorrupted2Recorrupted(network, sigma, self.alpha, setup.seed)


def box_side(masked: float) -> int:
    """Side in pixels of the boxes of which noise2void hides a pixel each, `masked` percent of all."""
    return max(1, round((100 / masked) ** 0.5))


METHODS = parts(
    Neighbor2NeighborSettings, Noise2CleanSettings, Noise2NoiseSettings, Noise2VoidSettings, Noisier2NoiseSettings,
    Recorrupted2RecorruptedSettings, RenoisedSettings, Laine19Settings, DbsnSettings, Blind2UnblindSettings,
)  # fmt: skip
