"""Noisy images and their clean partners, matched by name."""

import os
from collections.abc import Sequence

from n2n_tf.config import RunError, UsageError
from n2n_tf.data.finding import listing
from n2n_tf.data.images import find_images
from n2n_tf.formats.page import Page


def find_pairs(
    noisy: str,
    clean: str,
    channels: int,
    smallest_side: int = 1,
    kind: str | None = None,
    named: tuple[str, str] = ("`noisy`", "`clean`"),
) -> tuple[list[Page], list[Page], dict[str, str]]:
    """Match the images of two folders by their paths inside, without suffix, and page numbers.

    Args:
        noisy, clean: folders.
        channels, smallest_side, kind: as for `find_images`.
        named: where the folders come from, for errors.

    Returns:
        Noisy pages, clean pages in the same order, and what has no partner or cannot be used, with the reason.

    Raises:
        UsageError: no such folder.
        RunError: no pair, or pairs of different size; the text lists them.
    """
    sides: list[dict[tuple[str, int], Page]] = []
    skipped: dict[str, str] = {}
    for flag, folder in zip(named, (noisy, clean), strict=True):
        if not os.path.isdir(folder):
            raise UsageError(f"{flag} {folder}: wanted a folder")
        images = find_images([folder], channels, smallest_side, flag, kind)
        skipped.update(images.skipped)
        side: dict[tuple[str, int], Page] = {}
        for page in images.pages:
            if side.setdefault(_key(page, folder), page) is not page:
                skipped[str(page)] = "another image of that name"
        sides.append(side)
    keys = [key for key in sides[0] if key in sides[1]]
    for side, partners, folder in ((sides[0], sides[1], clean), (sides[1], sides[0], noisy)):
        skipped.update({str(page): f"no partner in {folder}" for key, page in side.items() if key not in partners})
    if not keys:
        raise RunError(f"no image of {noisy} has a partner of its name in {clean}:\n" + listing(skipped))
    pairs: list[Sequence[Page]] = [[side[key] for key in keys] for side in sides]
    different = {
        str(one): f"{one.width}×{one.height} pixels, its partner {other.width}×{other.height}"
        for one, other in zip(*pairs, strict=True)
        if (one.height, one.width) != (other.height, other.width)
    }
    if different:
        raise RunError("pairs of different size:\n" + listing(different))
    return list(pairs[0]), list(pairs[1]), skipped


def _key(page: Page, folder: str) -> tuple[str, int]:
    inside = os.path.relpath(page.path, os.path.abspath(os.path.expanduser(folder)))
    return os.path.splitext(inside)[0], page.number
