"""What a run is told of Neighbor2Neighbor, and of what may follow it. Imports no TensorFlow."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from n2n_tf.config import UsageError, at_least, part, setting, words
from n2n_tf.methods.base_settings import MethodSettings, Setup
from n2n_tf.methods.samplers import SAMPLERS, FixedSettings, NeighborsSettings
from n2n_tf.noise.settings import GaussianSettings

if TYPE_CHECKING:
    import keras

    from n2n_tf.methods.base import Method
    from n2n_tf.noise.settings import NoiseSettings

GAMMAS = (0.0, 0.5, 2.0, 8.0)  # trials of γ
FARTHEST = 8  # pixels apart
AUTO, OFF = "auto", "off"  # in the place of a number


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
    correlated: tuple[str | float, ...] = setting(
        (AUTO,), "pixels from which on neighbours share no noise, one number or DOWN RIGHT: these are compared, "
        "`gamma` 0, and a plain network is taught what was learned so; auto: as measured, where images come noisy; off",
    )  # fmt: skip

    refine: bool = setting(
        False, "learn from whole images in about the last quarter of the run, made noisier by noise of their own kind, "
        "as it was measured or is known; these steps take twice as long, and pay in long runs, or from good `weights`",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers = [each for each in self.correlated if each in range(1, FARTHEST + 1)]
        if self.correlated not in ((AUTO,), (OFF,)) and not 0 < len(numbers) == len(self.correlated) < 3:
            raise UsageError(
                f"`correlated` {words(self.correlated)}: wanted auto, off, or one or two whole numbers, DOWN RIGHT, "
                f"from 1 to {FARTHEST}"
            )
        if numbers and self.apart != (1, 1):
            raise UsageError(f"`correlated` {words(self.correlated)} with `distance`: say one of them")
        if self.stages:
            self.sampler.at(self.stages)  # for its error
        if self.stages and self.refine:
            raise UsageError(
                f"`refine` with `correlated` {words(self.correlated)}: that has a second stage; leave one out"
            )

    def check(self, noise: NoiseSettings) -> None:
        if self.stages and noise and noise.name != "none":
            raise UsageError(f"`correlated` with `noise` {noise.name}: is for images that are noisy already")
        one_level = isinstance(noise, GaussianSettings) and len(noise.sigma) == 1
        if self.refine and noise and noise.name != "none" and not one_level:
            raise UsageError(
                f"`refine` with `noise` {noise.name}: wants gaussian noise of one level, one `sigma`, or images that "
                "are noisy already"
            )

    @property
    def measures(self) -> str:  # type: ignore[override]
        return "`refine`" if self.refine else ""

    @property
    def stages(self) -> tuple[int, int] | None:  # type: ignore[override]
        if self.correlated[0] in (AUTO, OFF):
            return None
        down, right = int(self.correlated[0]), int(self.correlated[-1])
        return (down, right) if (down, right) != (1, 1) else None

    @property
    def open(self) -> bool:  # type: ignore[override]
        plain = self.sampler.name == "neighbors" and self.apart == (1, 1) and self.sampler.cell == 2
        return self.correlated == (AUTO,) and plain

    @property
    def divides(self) -> int:  # type: ignore[override]
        return self.sampler.cell * math.lcm(*self.stages) if self.stages else self.sampler.divides

    @property
    def apart(self) -> tuple[int, int]:  # type: ignore[override]
        return self.sampler.apart

    def candidates(self) -> tuple[MethodSettings, ...]:
        if self.stages:  # the first has its own
            return (replace(self, gamma=0.0),)
        return tuple(replace(self, gamma=gamma) for gamma in GAMMAS) if self.gamma == AUTO else (self,)

    def in_stages(self, teacher: str) -> tuple[MethodSettings, MethodSettings] | None:
        first = replace(self, correlated=(OFF,), refine=False)
        if not self.stages:
            return (first, RefinedSettings(teacher)) if self.refine else None
        apart = self.sampler.at(self.stages)
        return replace(first, gamma=0.0, sampler=apart), RenoisedSettings(teacher)  # γ: as it was measured

    def build(self, network: keras.Model, setup: Setup) -> Method:
        from n2n_tf.methods.gamma import GammaRamp
        from n2n_tf.methods.neighbor2neighbor import Neighbor2Neighbor

        if isinstance(self.gamma, str):
            raise ValueError("gamma auto: build one of the candidates")
        ramp = self.gamma_schedule == "ramp"
        gamma = GammaRamp(self.gamma, setup.epochs, setup.steps // setup.epochs) if ramp else self.gamma
        return Neighbor2Neighbor(network, gamma, setup.seed, self.sampler.build())


@dataclass(frozen=True)
class RenoisedSettings(MethodSettings):
    """Of `Renoised`."""

    name: ClassVar[str] = "renoised"
    about: ClassVar[str] = "another denoiser's results, made noisy again"
    apart: ClassVar[tuple[int, int] | None] = None
    teacher: str = setting(  # type: ignore[misc]
        "", "whose results are learned: a run, or its denoiser, of the same network", metavar="RUN"
    )

    def check(self, noise: NoiseSettings) -> None:
        if not self.teacher:
            raise UsageError("`method` renoised: learns from another denoiser; say which, `teacher` RUN")
        if noise and noise.name != "none":
            raise UsageError(f"`method` renoised with `noise` {noise.name}: is for images that are noisy already")

    def build(self, network: keras.Model, setup: Setup) -> Method:
        from n2n_tf.methods.renoised import Renoised

        return Renoised(network, setup.teacher, setup.measured, setup.seed)


@dataclass(frozen=True)
class RefinedSettings(MethodSettings):
    """Of a second stage on images of independent noise: recorrupted, where it is Gaussian, else renoised.

    Recorrupted pairs did better under Gaussian noise; where its level depends on the brightness they did harm, since in
    dark pixels small errors of the brightness are large ones of the level (docs/long-run.md).
    """

    name: ClassVar[str] = "refined"
    about: ClassVar[str] = "after a first stage"
    independent: ClassVar[bool] = True
    teacher: str = setting("", "the first stage's denoiser")  # type: ignore[misc]

    def build(self, network: keras.Model, setup: Setup) -> Method:
        from n2n_tf.methods.recorrupted2recorrupted import Recorrupted2Recorrupted
        from n2n_tf.methods.renoised import Renoised

        if setup.measured and not setup.measured.flat:
            return Renoised(network, setup.teacher, setup.measured, setup.seed)
        known = setup.noise.sigma[0] / 255 if isinstance(setup.noise, GaussianSettings) else 0.0
        return Recorrupted2Recorrupted(network, setup.measured or known, seed=setup.seed)
