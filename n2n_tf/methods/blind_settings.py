"""What a run is told of methods whose networks do not see the pixel they predict. Imports no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from n2n_tf.config import Range, UsageError, at_least, setting
from n2n_tf.methods.base_settings import MethodSettings, Setup, known_sigma
from n2n_tf.noise.settings import GaussianSettings, PoissonSettings

if TYPE_CHECKING:
    import keras

    from n2n_tf.methods.base import Method
    from n2n_tf.noise.settings import NoiseSettings

AUTO, MEASURED = "auto", "measured"
CELL = 4  # side of `Blind2Unblind`'s: so many squared copies of an image, each of which hides one pixel of a cell
RISES = {"one level": 0.8, "several": 0.4}  # share of the epochs after which β rises, in the authors' code


@dataclass(frozen=True)
class Laine19Settings(MethodSettings):
    """Of `Laine19`."""

    name: ClassVar[str] = "laine19"
    about: ClassVar[str] = "a blind spot"
    one_level: ClassVar[bool] = True
    network: ClassVar[str] = "blindspot_unet"
    predicts: str = setting(
        "pme", "what the denoiser gives: mu (the pixel as its surroundings tell it, whatever the noise) or pme (the "
        "mean of what it may be, given its own noisy value too, by a model of the noise)", ("mu", "pme"),
    )  # fmt: skip
    noise_model: str = setting(
        AUTO, "of pme: gaussian or poisson; auto: that of `noise`, gaussian where images are noisy already",
        (AUTO, "gaussian", "poisson"),
    )  # fmt: skip
    noise_level: str = setting(
        AUTO, "of pme: known, measured (before training, of images that are noisy already), learned (one value for all "
        "images) or image (of each, by a small network; large images are not cut into tiles then); auto: known where "
        "it is, else image", (AUTO, "known", MEASURED, "learned", "image"),
    )  # fmt: skip
    known_sigma: float = known_sigma()  # type: ignore[misc]
    known_lam: float = setting(
        0.0, "counts at intensity 1 of the poisson noise that the images have; 0: of `noise` poisson",
        within=at_least(0, 1e6),
    )  # fmt: skip

    @property
    def measures(self) -> str:  # type: ignore[override]
        return "`noise_level` measured" if self.independent else ""

    @property
    def independent(self) -> bool:  # type: ignore[override]
        return self.noise_level == MEASURED

    def check(self, noise: NoiseSettings) -> None:
        given = [name for name in ("noise_model", "noise_level") if getattr(self, name) != AUTO]
        given += [name for name in ("known_sigma", "known_lam") if getattr(self, name)]
        if self.predicts == "mu" and given:
            raise UsageError(f"`{given[0]}` with `predicts` mu: has no effect; it is for pme")
        if noise and self.predicts == "pme":
            self.level(noise)

    def model(self, noise: NoiseSettings) -> str:
        """Of the noise."""
        poisson = isinstance(noise, PoissonSettings) or (noise.name == "none" and bool(self.known_lam))
        found = "poisson" if poisson else "gaussian"
        if noise.name in ("gaussian", "poisson") and self.noise_model not in (AUTO, noise.name):
            raise UsageError(f"`noise_model` {self.noise_model} with `noise` {noise.name}: wanted the same, or auto")
        return found if self.noise_model == AUTO else self.noise_model

    def level(self, noise: NoiseSettings) -> float | str:
        """The noise's standard deviation, for intensities in [0, 1], at brightness 1; or how it is found."""
        poisson = self.model(noise) == "poisson"
        own = "known_lam" if poisson else "known_sigma"
        levels = levels_of(noise)
        told = levels or (getattr(self, own),)
        for name in ("known_sigma", "known_lam"):
            if getattr(self, name) and (levels or name != own):
                raise UsageError(
                    f"`{name}` with `noise` {noise.name} and a {self.model(noise)} model: has no effect; leave it out"
                )
        known = len(told) == 1 and told[0] > 0
        if self.independent and (noise.name != "none" or poisson or known):
            raise UsageError(
                "`noise_level` measured: is for gaussian noise that images have already, where nothing tells its level"
            )
        if getattr(self, own) and self.noise_level in ("image", "learned"):
            raise UsageError(f"`{own}` with `noise_level` {self.noise_level}: has no effect; leave it out")
        if self.noise_level == "known" and not known:
            raise UsageError(
                "`noise_level` known: wants `noise` of one `sigma` or `lam`, or `known_sigma` or `known_lam` for "
                "images that are noisy already"
            )
        if not known or self.noise_level not in (AUTO, "known"):
            return "image" if self.noise_level == AUTO else self.noise_level
        return told[0] ** -0.5 if poisson else told[0] / 255

    def build(self, network: keras.Model, setup: Setup) -> Method:
        from n2n_tf.methods.laine19 import Laine19
        from n2n_tf.methods.posterior import with_posterior

        name = network.name
        try:
            if self.predicts == "pme":
                level: float | str | list[float] = self.level(setup.noise)
                if level == MEASURED:  # any will do where only the cost of a step is asked for
                    level = setup.measured.sigma[0].numpy().tolist() if setup.measured else 1.0
                network = with_posterior(network, self.model(setup.noise), level, setup.seed)
            return Laine19(network, setup.seed)
        except UsageError:
            raise
        except ValueError as error:
            raise UsageError(f"`network` {name} with `method` {self.name}: {error}; try {self.network}") from error


@dataclass(frozen=True)
class DbsnSettings(Laine19Settings):
    """Of `Laine19` on a dilated network: the first stage of DBSN, whose second one learns from clean images."""

    name: ClassVar[str] = "dbsn"
    about: ClassVar[str] = "a blind spot between dilated kernels"
    network: ClassVar[str] = "dbsnl"


@dataclass(frozen=True)
class Blind2UnblindSettings(MethodSettings):
    """Of `Blind2Unblind`."""

    name: ClassVar[str] = "blind2unblind"
    about: ClassVar[str] = "hidden pixels that are seen again"
    network: ClassVar[str] = "unet"  # one that adds its input begins with f(y) = y, and stays there long
    beta_rises: str | float = setting(
        AUTO, "share of the epochs after which the weight of what is visible rises from 2 to 20; auto, as the authors: "
        f"{RISES['one level']} for noise of one level, {RISES['several']} for ranges and images that are noisy already",
        within=Range(0, 1, below=True), word=AUTO,
    )  # fmt: skip

    @property
    def smallest(self) -> int:
        return CELL

    def build(self, network: keras.Model, setup: Setup) -> Method:
        from n2n_tf.methods.beta import BetaRise
        from n2n_tf.methods.blind2unblind import Blind2Unblind

        share = self.beta_rises
        if isinstance(share, str):
            share = RISES["one level" if len(levels_of(setup.noise)) == 1 else "several"]
        return Blind2Unblind(network, BetaRise(share, setup.epochs, setup.steps // setup.epochs), setup.seed)


def levels_of(noise: NoiseSettings) -> tuple[float, ...]:
    """The one σ or λ of a noise that is added, or the two ends of its range; none of another noise."""
    if isinstance(noise, GaussianSettings):
        return noise.sigma
    return noise.lam if isinstance(noise, PoissonSettings) else ()
