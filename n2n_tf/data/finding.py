"""Which files are meant by folders, globs and names."""

import glob
import logging
import os
import re
from collections.abc import Iterable, Iterator

from n2n_tf.config import UsageError
from n2n_tf.files import PARTIAL
from n2n_tf.formats import table

logger = logging.getLogger(__name__)


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
        exists, found = os.path.exists(path), matches(given)
        if not found:
            raise UsageError(f"{flag} {given}: no such folder or file, and no file matches it as a glob")
        fixed = os.path.dirname(path) if exists else fixed_part(path)
        for match in found:
            inside = _files_in(match) if os.path.isdir(match) else [match]
            root = fixed if inside == [match] or not (exists and os.path.isdir(match)) else match
            files.update((file, min(root, files.get(file, root), key=len)) for file in inside)  # the outermost
    return files


def matches(given: str) -> list[str]:
    """What is at a path, or matches it as a glob; absolute."""
    path = os.path.abspath(os.path.expanduser(given))
    return [path] if os.path.exists(path) else sorted(glob.glob(path, recursive=True))


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
