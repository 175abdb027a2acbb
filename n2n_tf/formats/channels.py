"""Channels by name or number."""

import difflib
from collections.abc import Iterable, Sequence

from n2n_tf.formats.errors import UnusableImageError


class UnknownChannelError(UnusableImageError):
    """An image has no such channel; the text lists those that it has."""


def places_of(wanted: Iterable[str], channels: Sequence[str], count: int) -> list[int]:
    """Where channels are along their axis, from 0, in its order.

    Args:
        wanted: names, or numbers from 1.
        channels: names of all; "" for one without, none at all if nobody names them.
        count: of all.

    Raises:
        UnknownChannelError: there is none of this name or number.
    """
    return sorted({_place(name, channels, count) for name in wanted})


def _place(name: str, channels: Sequence[str], count: int) -> int:
    if name in channels:  # before numbers: a channel may be called 488
        return channels.index(name)
    if name.isascii() and name.isdigit() and 1 <= int(name) <= count:
        return int(name) - 1
    there = ", ".join(each for each in channels if each) or "none with a name"
    near = difflib.get_close_matches(name, channels, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UnknownChannelError(f"channel {name!r} is not there; it has {there}, and numbers 1 to {count}{hint}")
