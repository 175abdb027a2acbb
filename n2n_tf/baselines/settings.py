"""What denoisers that need no training set are told. Imports no TensorFlow.

A new one is a file beside this one, its settings here, and their place in the table.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from n2n_tf.config import UsageError, at_least, checked, coerced, composed, lookup, named, part, parts, setting

if TYPE_CHECKING:
    import numpy as np

Function = Callable[["np.ndarray"], "np.ndarray"]  # float32 [H, W, C], in units of the value range -> the same


@dataclass(frozen=True)
class BaselineSettings:
    """Of any of them.

    Attributes:
        name: how flags and files call it.
        about: what it is, in help.
        package: that it needs besides, an extra of the same name; empty if none.
        jointly: whether it takes any channels together; if not, RGB together and other channels one by one.
        unfit: names of synthetic noise that it is not made for.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    package: ClassVar[str] = ""
    jointly: ClassVar[bool] = False
    unfit: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        checked(self)

    @property
    def lacking(self) -> str:
        """Why it cannot be used here; empty if it can."""
        if not self.package or importlib.util.find_spec(self.package):
            return ""
        return f'{self.package} is not installed: pip install "n2n-tf[{self.package}]" (free for non-commercial use)'

    def build(self) -> Function:
        """The denoiser; the same image gives the same result.

        Raises:
            UsageError: its package is not installed.
        """
        if self.lacking:
            raise UsageError(f"{self.name}: {self.lacking}")
        return self._function()

    def _function(self) -> Function:
        raise NotImplementedError


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


@dataclass(frozen=True)
class Fitted(BaselineSettings):
    """Of those that fit a network to each image.

    Attributes:
        usual: steps of its authors.
    """

    jointly: ClassVar[bool] = True
    usual: ClassVar[int]
    steps: int = setting(
        0, "of each image, of those that fit a network to it; 0: as many as their authors take, dip 3000, zs_n2n 2000, "
        "self2self 150000", metavar="N", within=at_least(0),
    )  # fmt: skip
    seed: int = setting(0, "of the initial weights and what is drawn in fitting", metavar="N", within=at_least(0))

    @property
    def count(self) -> int:
        """How many steps."""
        return self.steps or self.usual

    @property
    def cost(self) -> float:
        """Of an image, in steps."""
        return self.count

    def shortened(self, steps: int) -> Fitted:
        """With fewer of all that it does."""
        return dataclasses.replace(self, steps=steps)


@dataclass(frozen=True)
class DipSettings(Fitted):
    """Of `dip`."""

    name: ClassVar[str] = "dip"
    about: ClassVar[str] = "deep image prior, minutes to hours for each image"
    usual: ClassVar[int] = 3000

    def _function(self) -> Function:
        from n2n_tf.baselines.dip import dip

        return functools.partial(dip, steps=self.count, seed=self.seed)


@dataclass(frozen=True)
class Self2SelfSettings(Fitted):
    """Of `self2self`."""

    name: ClassVar[str] = "self2self"
    about: ClassVar[str] = "dropout, hours for each image"
    usual: ClassVar[int] = 150_000
    predictions: int = setting(100, "of self2self, whose mean is the result", metavar="N", within=at_least(1, 10**4))

    @property
    def cost(self) -> float:
        return self.count + self.predictions / 3  # a pass forward, without the one back, which costs two

    def shortened(self, steps: int) -> Fitted:
        return dataclasses.replace(self, steps=steps, predictions=1)

    def _function(self) -> Function:
        from n2n_tf.baselines.self2self import self2self

        return functools.partial(self2self, steps=self.count, predictions=self.predictions, seed=self.seed)


@dataclass(frozen=True)
class ZsN2nSettings(Fitted):
    """Of `zs_n2n`."""

    name: ClassVar[str] = "zs_n2n"
    about: ClassVar[str] = "zero-shot Noise2Noise, minutes for each image"
    usual: ClassVar[int] = 2000

    def _function(self) -> Function:
        from n2n_tf.baselines.zs_n2n import zs_n2n

        return functools.partial(zs_n2n, steps=self.count, seed=self.seed)


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
