"""A set of images on disk: found, checked by their headers, read one at a time."""

import glob
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from n2n_tf.config import RunError, UsageError
from n2n_tf.files import PARTIAL
from n2n_tf.formats import bayer, readers, table
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.page import CHANNELS, Page
from n2n_tf.formats.pixels import check_pixels, check_type, colors_in_unit_range

logger = logging.getLogger(__name__)


@dataclass
class Images:
    """Usable images, and what was passed over with the reason.

    Reading is bounded in memory: nothing decoded is kept.
    """

    pages: Sequence[Page]
    channels: int
    skipped: dict[str, str] = field(default_factory=dict)
    failure: RunError | None = None  # inside a tf.data pipeline TensorFlow swallows the exception itself
    paired = False  # their clean partners are not known

    def __len__(self) -> int:
        return len(self.pages)

    def clean(self, index: int) -> None:
        """No clean partner, as `HeldOut.clean` may have one."""

    def read(self, index: int, side: int = 0, draws: Sequence[int] = ()) -> tuple[np.ndarray, np.int64]:
        """Image number `index`, float32 [H, W, C] in [0, 1], and the number of the image that was read.

        A file that cannot be decoded is put down in `skipped` and its successor is read in its place, so the
        same index always gives the same image.

        Args:
            index: number of the image.
            side: of a window of it, which is then all that is given; 0 for the whole.
            draws: two large random numbers, which place the window.

        Raises:
            RunError: not one image can be read.
        """
        for offset in range(len(self)):
            number = (int(index) + offset) % len(self)
            page = self.pages[number]
            try:
                image = readers.read(page)
                check_pixels(image[..., : page.colors])  # all of it: luck does not decide
                window = _window(image, side, draws) if side else image
                return colors_in_unit_range(window, page.colors), np.int64(number)
            except (UnusableImageError, OSError) as error:
                self.skipped[str(page)] = reason(error)
        self.failure = RunError("none of the images can be read:\n" + listing(self.skipped))
        raise self.failure


def find_images(paths: Iterable[str], channels: int, smallest_side: int = 1, flag: str = "--data") -> Images:
    """Find the images under folders (recursively), globs and files, and check their headers.

    Args:
        paths: folders, globs or files.
        channels: wanted, alpha not counted; others are skipped.
        smallest_side: in pixels; smaller images are skipped.
        flag: where the paths come from, for the error.

    Raises:
        UsageError: a path does not exist.
        RunError: no usable image; the text lists the reasons.
    """
    found, skipped = [], {}
    for path in find_files(paths, flag):
        try:
            for page in readers.pages(path):
                unfit = _unfit(page, channels, smallest_side)
                if unfit:
                    skipped[str(page)] = unfit
                else:
                    found.append(page)
        except (UnusableImageError, OSError) as error:
            skipped[path] = reason(error)
    if not found:
        raise RunError(f"no usable image in {' '.join(paths)}:\n" + listing(skipped))
    return Images(found, channels, skipped)


def find_files(paths: Iterable[str], flag: str) -> dict[str, str]:
    """The files under folders (recursively, images by their suffix), globs and files, by absolute path.

    Returns:
        File -> the folder its place is told from: the folder given, the fixed part of the glob, its own folder.

    Raises:
        UsageError: a path does not exist, and matches nothing as a glob.
    """
    files: dict[str, str] = {}  # ordered, each once
    for given in paths:
        path = os.path.abspath(os.path.expanduser(given))
        exists = os.path.exists(path)
        matches = [path] if exists else sorted(glob.glob(path, recursive=True))
        if not matches:
            raise UsageError(f"{flag} {given}: no such folder or file, and no file matches it as a glob")
        fixed = os.path.dirname(path) if exists else fixed_part(path)
        for match in matches:
            inside = _files_in(match) if os.path.isdir(match) else [match]
            root = fixed if inside == [match] or not (exists and os.path.isdir(match)) else match
            files.update((file, min(root, files.get(file, root), key=len)) for file in inside)  # the outermost
    return files


def fixed_part(path: str) -> str:
    """The folder of a glob that its matches lie under."""
    return os.path.dirname(re.split(r"[*?[]", path)[0])


def listing(skipped: dict[str, str], most: int = 20) -> str:
    """One line for each file and reason, at most `most` of them."""
    lines = [f"  {path}: {reason}" for path, reason in skipped.items()]
    more = [f"  and {len(lines) - most} more"] if len(lines) > most else []
    return "\n".join(lines[:most] + more) or "  no file with the suffix of an image"


def reason(error: Exception) -> str:
    """What to tell of a file that failed."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _window(image: np.ndarray, side: int, draws: Sequence[int]) -> np.ndarray:
    top, left = (int(draw) % (length - side + 1) for draw, length in zip(draws, image.shape[:2], strict=True))
    return image[top : top + side, left : left + side]


def _files_in(folder: str) -> list[str]:
    inside = sorted(_walk(folder))
    images = [path for path, is_image in inside if is_image]
    if len(images) < len(inside):
        logger.info("%s: %d files without the suffix of an image passed over", folder, len(inside) - len(images))
    return images


def _walk(folder: str, above: frozenset[str] = frozenset()) -> Iterator[tuple[str, bool]]:
    """Files, and whether they have the suffix of an image; no pipes. A folder that is an image counts as a file.

    As the listing tells the kind of each, this asks the disk nothing more.
    """
    real, known = os.path.realpath(folder), table.suffixes()
    if real in above:
        logger.warning("%s: passed over: a link to a folder that it lies in", folder)
        return
    try:
        with os.scandir(folder) as listing_of:
            entries = list(listing_of)
    except OSError as error:
        logger.warning("%s: passed over: %s", folder, reason(error))
        return
    if table.marked({entry.name for entry in entries}):
        yield folder, True
        return
    for entry in entries:
        try:
            is_file = entry.is_file() and not entry.name.startswith((PARTIAL, "._"))  # interrupted; of macOS
        except OSError as error:  # a link in a circle
            logger.warning("%s: passed over: %s", entry.path, reason(error))
            continue
        if is_file:
            yield entry.path, os.path.splitext(entry.name)[1].lower() in known
        elif entry.is_dir():
            yield from _walk(entry.path, above | {real})
        elif entry.is_symlink() and not os.path.exists(entry.path):
            logger.warning("%s: passed over: a link to nothing", entry.path)


def _unfit(page: Page, channels: int, smallest_side: int) -> str | None:
    try:
        check_type(page.dtype)
    except UnusableImageError as error:
        return str(error)
    if page.colors != channels:
        way_out = "" if page.kind == CHANNELS else f"; train --channels {page.colors} takes such images"
        return f"{page.colors} channel(s), wanted {channels}{way_out}"
    if channels == bayer.CHANNELS and not page.is_raw:
        return f"{channels} channels that are no raw mosaic"
    if min(page.height, page.width) < smallest_side:
        return f"{page.width}×{page.height} pixels, smaller than the {smallest_side}×{smallest_side} needed"
    return None
