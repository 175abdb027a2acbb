"""What a run is told of its sub-sampler. Imports no TensorFlow."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from n2n_tf.config import UsageError, at_least, checked, parts, setting, words

if TYPE_CHECKING:
    from n2n_tf.sampling import Sampler


@dataclass(frozen=True)
class NeighborsSettings:
    """Of `Neighbors`."""

    name: ClassVar[str] = "neighbors"
    about: ClassVar[str] = "drawn in each cell"
    cell: int = setting(2, "side of the sub-sampler's cells in pixels", within=at_least(2, 8))
    distance: tuple[int, ...] = setting(
        (1,), "pixels between the two that a cell gives, one number or DOWN RIGHT; more where neighbours share noise",
        within=at_least(1, 8),
    )  # fmt: skip
    targets: int = setting(
        0, "pixels of a cell that its first one learns from; 2: both of its neighbours, averaged; 1: one, as in the "
        "paper; 0: 2 in cells of 2×2, else 1", within=at_least(0, 2),
    )  # fmt: skip

    def __post_init__(self) -> None:
        checked(self)
        if len(self.distance) not in (1, 2):
            raise UsageError(f"`distance` {words(self.distance)}: wanted one number, or two, DOWN RIGHT")
        if self.targets == 2 and self.cell != 2:
            raise UsageError(f"`targets` 2 `cell` {self.cell}: every pixel has two neighbours in cells of 2×2 alone")

    @property
    def divides(self) -> int:
        """What the sides of crops are divided by."""
        return self.cell * math.lcm(*self.distance)

    @property
    def apart(self) -> tuple[int, int]:
        """The distance, (down, right)."""
        return self.distance[0], self.distance[-1]

    def at(self, distance: tuple[int, int]) -> NeighborsSettings:
        """The same at another distance."""
        return replace(self, distance=distance)

    def build(self) -> Sampler:
        """The sub-sampler."""
        from n2n_tf.sampling import Neighbors

        return Neighbors(self.cell, self.apart, self.targets or (2 if self.cell == 2 else 1))


@dataclass(frozen=True)
class FixedSettings:
    """Of `Fixed`."""

    name: ClassVar[str] = "fixed"
    about: ClassVar[str] = "the paper's fix-location"
    apart: ClassVar[tuple[int, int]] = (1, 1)
    cell: int = setting(2, "side of the sub-sampler's cells in pixels", within=at_least(2, 8))

    def __post_init__(self) -> None:
        checked(self)

    @property
    def divides(self) -> int:
        """What the sides of crops are divided by."""
        return self.cell

    def at(self, distance: tuple[int, int]) -> FixedSettings:
        """Has none."""
        raise UsageError(f"`sampler` fixed with `correlated` {words(distance)}: takes neighbours alone; leave one out")

    def build(self) -> Sampler:
        """The sub-sampler."""
        from n2n_tf.sampling import Fixed

        return Fixed(self.cell)


SAMPLERS = parts(NeighborsSettings, FixedSettings)
