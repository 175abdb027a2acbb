"""Which of the denoisers that come with the package each image gets where none is named."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from n2n_tf.config.kinds import RGB
from n2n_tf.formats import readers
from n2n_tf.formats.errors import UnusableImageError
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
    parts: dict[tuple[str, Told], dict[str, Path]] = {}
    for source, target in plan.files.items():
        parts.setdefault(_choice(source, told), {})[source] = target
    if plan.groups:
        parts.setdefault((GRAY, told), {})
    for (model, limits), files in parts.items():
        groups = plan.groups if (model, limits) == (GRAY, told) else {}
        earlier = {path: source for path, source in plan.earlier.items() if source in files}
        yield model, limits, dataclasses.replace(plan, files=files, groups=groups, earlier=earlier)


def _choice(source: str, told: Told) -> tuple[str, Told]:
    """Of a file, whatever it is: one that cannot be read is told of when it is to be denoised."""
    try:
        first = readers.pages(source)[0]
    except (UnusableImageError, OSError, IndexError):
        return GRAY, told
    return COLOUR if first.kind == RGB else GRAY, told or (None if first.dtype == "uint8" else "auto")
