"""A set of images on disk: found, checked by their headers, read one at a time."""

import glob
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from n2n_tf.config import RunError, UsageError
from n2n_tf.data import readers
from n2n_tf.data.readers import Page, UnusableImageError

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

    def __len__(self) -> int:
        return len(self.pages)

    def read(self, index: int) -> tuple[np.ndarray, np.int64]:
        """Image number `index`, float32 [H, W, C] in [0, 1], and the number of the image that was read.

        A file that cannot be decoded is put down in `skipped` and its successor is read in its place, so the
        same index always gives the same image.

        Raises:
            RunError: not one image can be read.
        """
        for offset in range(len(self)):
            number = (int(index) + offset) % len(self)
            page = self.pages[number]
            try:
                return readers.colors_in_unit_range(readers.read(page)), np.int64(number)
            except (UnusableImageError, OSError) as error:
                self.skipped[str(page)] = _reason(error)
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
    for path in _files(paths, flag):
        try:
            for page in readers.pages(path):
                reason = _unfit(page, channels, smallest_side)
                if reason:
                    skipped[str(page)] = reason
                else:
                    found.append(page)
        except (UnusableImageError, OSError) as error:
            skipped[path] = _reason(error)
    if not found:
        raise RunError(f"no usable image in {' '.join(paths)}:\n" + listing(skipped))
    return Images(found, channels, skipped)


def listing(skipped: dict[str, str], most: int = 20) -> str:
    """One line for each file and reason, at most `most` of them."""
    lines = [f"  {path}: {reason}" for path, reason in skipped.items()]
    more = [f"  and {len(lines) - most} more"] if len(lines) > most else []
    return "\n".join(lines[:most] + more) or "  no file with the suffix of an image"


def _files(paths: Iterable[str], flag: str) -> list[str]:
    files: dict[str, None] = {}  # ordered, each once
    for path in map(os.path.expanduser, paths):
        matches = [path] if os.path.exists(path) else sorted(glob.glob(path, recursive=True))
        if not matches:
            raise UsageError(f"{flag} {path}: no such folder or file, and no file matches it as a glob")
        for match in matches:
            found = _files_in(match) if os.path.isdir(match) else [match]
            files.update(dict.fromkeys(map(os.path.abspath, found)))
    return list(files)


def _files_in(folder: str) -> list[str]:
    inside = sorted(str(each) for each in Path(folder).rglob("*") if each.is_file())
    images = [each for each in inside if Path(each).suffix.lower() in readers.SUFFIXES]
    if len(images) < len(inside):
        logger.info("%s: %d files without the suffix of an image passed over", folder, len(inside) - len(images))
    return images


def _unfit(page: Page, channels: int, smallest_side: int) -> str | None:
    if page.colors != channels:
        return f"{page.colors} channel(s), wanted {channels}; --channels {page.colors} takes such images"
    if min(page.height, page.width) < smallest_side:
        return f"{page.width}×{page.height} pixels, smaller than the {smallest_side}×{smallest_side} patch"
    return None


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
