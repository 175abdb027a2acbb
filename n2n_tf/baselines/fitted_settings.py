"""What denoisers that fit a network to each image are told. Imports no TensorFlow."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import ClassVar

from n2n_tf.baselines.base_settings import BaselineSettings, Function
from n2n_tf.config import at_least, setting


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
