"""What denoisers that need no training set are told. Imports no TensorFlow.

A new one is a file beside this one, its settings here, and their place in the table.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

from n2n_tf.baselines.base_settings import BaselineSettings, Function
from n2n_tf.baselines.fitted_settings import DipSettings, Self2SelfSettings, ZsN2nSettings
from n2n_tf.config import at_least, coerced, composed, lookup, named, part, parts, setting


@dataclass(frozen=True)
class Levelled(BaselineSettings):
    """Of those that are told how strong the noise is."""

    known_sigma: float = setting(  # type: ignore[misc]
        0.0, "standard deviation, 0-255 of the value range, of the noise, for bm3d and nlm; 0: measured on each image",
        metavar="S", within=at_least(0, 2550),
    )  # fmt: skip

    @property
    def sigma(self) -> float | None:
        """For intensities in [0, 1]; None: to be measured."""
        return self.known_sigma / 255 or None


@dataclass(frozen=True)
class Bm3dSettings(Levelled):
    """Of `bm3d`."""

    name: ClassVar[str] = "bm3d"
    about: ClassVar[str] = "similar patches together, of colours CBM3D; free for non-commercial use alone"
    package: ClassVar[str] = "bm3d"
    unfit: ClassVar[tuple[str, ...]] = ("poisson",)

    def _function(self) -> Function:
        from n2n_tf.baselines.bm3d import bm3d

        return functools.partial(bm3d, sigma=self.sigma)


@dataclass(frozen=True)
class AnscombeBm3dSettings(BaselineSettings):
    """Of `anscombe_bm3d`."""

    name: ClassVar[str] = "anscombe_bm3d"
    about: ClassVar[str] = "bm3d for photons; as free as that"
    package: ClassVar[str] = "bm3d"
    unfit: ClassVar[tuple[str, ...]] = ("gaussian",)

    def _function(self) -> Function:
        from n2n_tf.baselines.anscombe_bm3d import anscombe_bm3d

        return anscombe_bm3d


@dataclass(frozen=True)
class NlmSettings(Levelled):
    """Of `nlm`."""

    name: ClassVar[str] = "nlm"
    about: ClassVar[str] = "non-local means"

    def _function(self) -> Function:
        from n2n_tf.baselines.nlm import nlm

        return functools.partial(nlm, sigma=self.sigma)


BASELINES = parts(Bm3dSettings, AnscombeBm3dSettings, NlmSettings, DipSettings, Self2SelfSettings, ZsN2nSettings)


@dataclass(frozen=True)
class Chosen:
    """One of them, by its name, with its settings."""

    baseline: BaselineSettings = part(BASELINES, None, "denoiser that needs no training set")


def baseline_of(name: str, **told: Any) -> BaselineSettings:
    """The settings of one; what is left out has its default.

    Raises:
        UsageError: no such one, or a setting that it does not have.
    """
    own = named(lookup(BASELINES, name, "`baseline`"))
    for each in told:
        lookup(own, each, f"`baseline` {name}: setting")
    return composed(BASELINES[name], coerced(Chosen, told))
