"""How the images of a file lie in it along time, depth and channels."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

NOWHERE = -1  # a plane that the file does not hold


@dataclass(frozen=True)
class Axes:
    """The axes of one set of planes.

    Attributes:
        letters: slowest first: T time, Z depth, C channel, I or Q what nobody tells, others as the file has them.
        numbers: [sizes of the axes], of the page that each plane is; `NOWHERE` if it is in another file, or missing.
        channels: their names; "" for one without, none at all if the file names none.
        steps: from one to the next along Z, Y and X in µm, along T in s; of those axes that the file tells.
        name: of the image; "" if it has none.
    """

    letters: str
    numbers: np.ndarray
    channels: tuple[str, ...] = ()
    steps: Mapping[str, float] = field(default_factory=dict)
    name: str = ""

    @property
    def sizes(self) -> dict[str, int]:
        return dict(zip(self.letters, self.numbers.shape, strict=True))

    def along(self, letter: str, number: int) -> list[int]:
        """The pages that differ from a page along one axis alone, it among them, in their order.

        Raises:
            ValueError: no such axis, or no such page.
        """
        axis, places = self.letters.index(letter), np.argwhere(self.numbers == number)
        if not len(places):
            raise ValueError(f"page {number}: is none of these planes")
        place = tuple(slice(None) if each == axis else int(at) for each, at in enumerate(places[0]))
        return self.numbers[place].tolist()
