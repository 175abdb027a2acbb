"""Learning rate schedules. Imports no TensorFlow until one is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from n2n_tf.config import at_least, checked, parts, setting

if TYPE_CHECKING:
    from keras.optimizers.schedules import LearningRateSchedule


@dataclass(frozen=True)
class Halve:
    """Paper section 5.1: "half-decayed per 20 epochs" of 100. (The authors' code halves first after epoch 19.)"""

    name: ClassVar[str] = "halve"
    about: ClassVar[str] = "every 20 %% of the epochs"

    def build(self, highest: float, steps: int) -> LearningRateSchedule:
        """From the highest learning rate, over a run of `steps`."""
        from keras.optimizers.schedules import ExponentialDecay

        return ExponentialDecay(highest, max(1, steps // 5), 0.5, staircase=True)


@dataclass(frozen=True)
class Cosine:
    """Rises from 0, then falls to 0 as half a cosine (Loshchilov and Hutter 2017)."""

    name: ClassVar[str] = "cosine"
    about: ClassVar[str] = "to 0"
    warmup_steps: int = setting(200, "steps of cosine's rise from 0; at most a tenth of the run", within=at_least(0))

    def __post_init__(self) -> None:
        checked(self)

    def build(self, highest: float, steps: int) -> LearningRateSchedule:
        """From the highest learning rate, over a run of `steps`."""
        from keras.optimizers.schedules import CosineDecay

        warmup = min(self.warmup_steps, steps // 10)
        if not warmup:
            return CosineDecay(highest, steps)
        return CosineDecay(0.0, steps - warmup, warmup_target=highest, warmup_steps=warmup)


@dataclass(frozen=True)
class Constant:
    """Always the same: for runs whose length nothing tells, with averaged weights."""

    name: ClassVar[str] = "constant"
    about: ClassVar[str] = "does not change"

    def build(self, highest: float, steps: int) -> float:
        """The learning rate."""
        return highest


SCHEDULES = parts(Halve, Cosine, Constant)
