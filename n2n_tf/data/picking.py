"""Channels of stacks, picked by name or number."""

import logging
from collections.abc import Callable, Sequence

from n2n_tf.config import UsageError
from n2n_tf.formats.axes import Axes
from n2n_tf.formats.channels import UnknownChannelError, places_of
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import Page

logger = logging.getLogger(__name__)


class Picked:
    """The planes of some channels.

    Args:
        wanted: names as the files tell them, or numbers from 1; without any, all planes are taken.
    """

    def __init__(self, wanted: Sequence[str | int]):
        self.wanted, self.planes, self.of_planes = tuple(map(str, wanted)), 0, 0
        self.unknown: dict[str, str] = {}

    def of(self, path: str, pages: list[Page], axes_of: Callable[[str], list[Axes]]) -> list[Page]:
        """Those of a file's planes that are of the channels.

        Args:
            path: of the file.
            pages: all of them.
            axes_of: how those of a file lie; called where channels are picked.

        Raises:
            UnusableImageError: the file has no axis of channels.
            UnknownChannelError: it has none of this name or number.
        """
        if not self.wanted:
            return pages
        numbers = {number for each in self.sets(path, axes_of) for number in each.numbers.ravel().tolist()}
        chosen = [page for page in pages if page.number in numbers]
        self.planes, self.of_planes = self.planes + len(chosen), self.of_planes + len(pages)
        return chosen

    def sets(self, path: str, axes_of: Callable[[str], list[Axes]]) -> list[Axes]:
        """How these planes lie.

        Raises:
            UnusableImageError, UnknownChannelError: as `of`.
        """
        described = [each for each in axes_of(path) if "C" in each.letters]
        if not described:
            raise UnusableImageError("has no axis of channels to pick from; leave `channel` out for such files")
        try:
            return [each.at("C", places_of(self.wanted, each.channels, each.sizes["C"])) for each in described]
        except UnknownChannelError as error:
            self.unknown[path] = str(error)
            raise

    def check(self, planes: int) -> None:
        """Raise UsageError if no plane was found, and a file has no such channel: its name is misspelt."""
        if self.unknown and not planes:
            path, why = next(iter(self.unknown.items()))
            raise UsageError(f"`channel` {' '.join(self.wanted)}: {path}: {why}")

    def say(self) -> None:
        """Once, what was picked."""
        if self.wanted:
            logger.info("channel %s: %d of %d planes", ", ".join(self.wanted), self.planes, self.of_planes)
