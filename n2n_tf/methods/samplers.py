"""What a run is told of its sub-sampler. Imports no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from n2n_tf.config import UsageError, at_least, checked, parts, setting

if TYPE_CHECKING:
    from n2n_tf.sampling import Sampler


@dataclass(frozen=True)
class NeighborsSettings:
    """Of `Neighbors`."""

    name: ClassVar[str] = "neighbors"
    about: ClassVar[str] = "drawn in each cell"
    cell: int = setting(2, "side of the sub-sampler's cells in pixels", within=at_least(2, 8))
    distance: int = setting(1, "pixels between the two that a cell gives; more where neighbours share noise",
                            within=at_least(1, 8))  # fmt: skip
    targets: int = setting(1, "pixels of a cell that its first one learns from; 2: both of its neighbours, averaged",
                           within=at_least(1, 2))  # fmt: skip

    def __post_init__(self) -> None:
        checked(self)
        if self.targets == 2 and self.cell != 2:
            raise UsageError(f"`targets` 2 `cell` {self.cell}: every pixel has two neighbours in cells of 2×2 alone")

    @property
    def divides(self) -> int:
        """What the sides of crops are divided by."""
        return self.cell * self.distance

    def build(self) -> Sampler:
        """The sub-sampler."""
        from n2n_tf.sampling import Neighbors

        return Neighbors(self.cell, self.distance, self.targets)


@dataclass(frozen=True)
class FixedSettings:
    """Of `Fixed`."""

    name: ClassVar[str] = "fixed"
    about: ClassVar[str] = "the paper's fix-location"
    distance: ClassVar[int] = 1
    cell: int = setting(2, "side of the sub-sampler's cells in pixels", within=at_least(2, 8))

    def __post_init__(self) -> None:
        checked(self)

    @property
    def divides(self) -> int:
        """What the sides of crops are divided by."""
        return self.cell

    def build(self) -> Sampler:
        """The sub-sampler."""
        from n2n_tf.sampling import Fixed

        return Fixed(self.cell)


SAMPLERS = parts(NeighborsSettings, FixedSettings)
