"""Channels of stacks, picked by name or number."""

import difflib
import logging
from collections.abc import Callable, Sequence

from n2n_tf.formats.axes import Axes
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import Page

logger = logging.getLogger(__name__)


class Picked:
    """The planes of some channels.

    Args:
        wanted: names as the files tell them, or numbers from 1; without any, all planes are taken.
    """

    def __init__(self, wanted: Sequence[str]):
        self.wanted, self.planes, self.of_planes = tuple(wanted), 0, 0

    def of(self, path: str, pages: list[Page], axes_of: Callable[[str], list[Axes]]) -> list[Page]:
        """Those of a file's planes that are of the channels.

        Args:
            path: of the file.
            pages: all of them.
            axes_of: how those of a file lie; called where channels are picked.

        Raises:
            UnusableImageError: the file has no axis of channels, or none of this name or number.
        """
        if not self.wanted:
            return pages
        described = [each for each in axes_of(path) if "C" in each.letters]
        if not described:
            raise UnusableImageError("has no axis of channels to pick from; leave `channel` out for such files")
        numbers = {number for each in described for name in self.wanted for number in _planes(each, name)}
        chosen = [page for page in pages if page.number in numbers]
        self.planes, self.of_planes = self.planes + len(chosen), self.of_planes + len(pages)
        return chosen

    def say(self) -> None:
        """Once, what was picked."""
        if self.wanted:
            logger.info("channel %s: %d of %d planes", ", ".join(self.wanted), self.planes, self.of_planes)


def _planes(axes: Axes, name: str) -> list[int]:
    """The pages of one channel."""
    count = axes.sizes["C"]
    if name in axes.channels:  # before numbers: a channel may be called 488
        place = axes.channels.index(name)
    elif name.isascii() and name.isdigit() and 1 <= int(name) <= count:
        place = int(name) - 1
    else:
        there = ", ".join(each for each in axes.channels if each) or "none with a name"
        near = difflib.get_close_matches(name, axes.channels, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UnusableImageError(f"channel {name!r} is not there; it has {there}, and numbers 1 to {count}{hint}")
    return axes.numbers.take(place, axes.letters.index("C")).ravel().tolist()
