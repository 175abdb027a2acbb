"""Which images are denoised together: by the denoiser of the package that each gets where none is named, or by kind."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from n2n_tf.config.kinds import CHANNELS, RGB
from n2n_tf.formats import readers
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import Page
from n2n_tf.tasks.plan import Plan
from n2n_tf.value_range import Told

SHIPPED = COLOUR, GRAY = "blind", "blind_gray"


def assigned(plan: Plan, told: Told) -> Iterator[tuple[str, Told, Plan]]:
    """A plan in parts, each with its denoiser and value range.

    RGB images get the one for colours, all others the one for gray, channel by channel. The range of files is what
    training on them would take: of 8 bits the whole, else where nearly all pixels lie; that of OME-Zarr, which is read
    in blocks, the whole of its type.

    Args:
        plan: of all.
        told: a range that was named, for all of them.
    """
    return _parted(plan, lambda source: _choice(source, told), (GRAY, told))


def by_kind(plan: Plan, told: Told) -> Iterator[tuple[str, Told, Plan]]:
    """A plan in parts, each with the kind of its images and their value range; the range as `assigned` has it."""

    def choice(source: str) -> tuple[str, Told]:
        first = _first(source)
        if first is None:
            return CHANNELS, told
        return first.kind, told or (None if first.is_raw else _usual(first))

    return _parted(plan, choice, (CHANNELS, told))


def _parted(
    plan: Plan, choice: Callable[[str], tuple[str, Told]], of_groups: tuple[str, Told]
) -> Iterator[tuple[str, Told, Plan]]:
    """A plan in parts, by what is chosen for each file, and for OME-Zarr."""
    parts: dict[tuple[str, Told], dict[str, Path]] = {}
    for source, target in plan.files.items():
        parts.setdefault(choice(source), {})[source] = target
    if plan.groups:
        parts.setdefault(of_groups, {})
    for chosen, files in parts.items():
        groups = plan.groups if chosen == of_groups else {}
        earlier = {path: source for path, source in plan.earlier.items() if source in files}
        yield *chosen, dataclasses.replace(plan, files=files, groups=groups, earlier=earlier)


def _choice(source: str, told: Told) -> tuple[str, Told]:
    first = _first(source)
    if first is None:
        return GRAY, told
    return COLOUR if first.kind == RGB else GRAY, told or _usual(first)


def _usual(page: Page) -> Told:
    """The range of images like this one: of 8 bits the whole of their type."""
    return None if page.dtype == "uint8" else "auto"


def _first(source: str) -> Page | None:
    """The first image of a file; None of one that cannot be read, which is told of when it is to be denoised."""
    try:
        return readers.pages(source)[0]
    except (UnusableImageError, OSError, IndexError):
        return None
