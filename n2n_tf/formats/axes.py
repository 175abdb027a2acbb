"""How the images of a file lie in it along time, depth and channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

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

    def apart(self, letters: str) -> list["Axes"]:
        """Those parts that have no axes but these."""
        others = [axis for axis, letter in enumerate(self.letters) if letter not in letters]
        moved = np.moveaxis(self.numbers, others, range(len(others)))
        kept = "".join(letter for letter in self.letters if letter in letters)
        parts = moved.reshape(-1, *moved.shape[len(others) :])
        return [replace(self, letters=kept, numbers=part) for part in parts]

    def at(self, letter: str, places: Sequence[int]) -> "Axes":
        """The part at some places along an axis."""
        names = tuple(self.channels[place] for place in places) if letter == "C" and self.channels else self.channels
        return replace(self, numbers=self.numbers.take(places, self.letters.index(letter)), channels=names)
