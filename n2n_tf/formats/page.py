"""An image of a file, as its header describes it."""

from dataclasses import dataclass

from n2n_tf.config.kinds import CHANNELS, GRAY, KINDS, MOSAIC, RGB
from n2n_tf.value_range import ValueRange

__all__ = ["CHANNELS", "COLORS", "GRAY", "KINDS", "MOSAIC", "RGB", "Page", "kind_of"]

COLORS = {GRAY: 1, RGB: 3}  # without alpha


def kind_of(channels: int) -> str:
    """The kind of an image of a photograph's format, whose second or fourth channel is alpha."""
    return GRAY if channels <= 2 else RGB


@dataclass(frozen=True, slots=True)  # there may be millions
class Page:
    """One image of a file.

    Attributes:
        path: of the file.
        number: of the image in it, from 0.
        height, width: in pixels. A raw mosaic is an image of four planes, each of half its height and width.
        channels: with alpha, if the header tells of it.
        kind: one of `KINDS`; gray and RGB may have alpha besides, n channels have none.
        dtype: NumPy's name of what the file stores; "" where the header does not tell.
        bits: of a number, where the file tells that it has fewer than its type; else 0.
    """

    path: str
    number: int
    height: int
    width: int
    channels: int
    kind: str
    dtype: str = ""
    bits: int = 0

    @property
    def limits(self) -> ValueRange | None:
        """All values that a pixel can have, where they are fewer than its type's."""
        return ValueRange(0.0, 2.0**self.bits - 1) if self.bits else None

    @property
    def is_raw(self) -> bool:
        return self.kind == MOSAIC

    @property
    def colors(self) -> int:
        """Channels without alpha."""
        return COLORS.get(self.kind, self.channels)

    def __str__(self) -> str:
        return f"{self.path}, page {self.number + 1}" if self.number else self.path
