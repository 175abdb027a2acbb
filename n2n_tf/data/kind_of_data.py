"""What kind of images data are, by the names of files: none is opened, and TensorFlow is not loaded."""

import glob
import json
import os
from collections.abc import Iterable
from pathlib import Path

from n2n_tf.config import IMAGE_SUFFIXES, MANIFEST, RAW_SUFFIXES, UsageError
from n2n_tf.config.kinds import CHANNELS, COUNTS, MOSAIC, kind_by_count


def kind_of_data(paths: Iterable[str], channels: int | None) -> str | None:
    """The kind of the images in files, folders, globs or prepared crops; by their names, none is opened.

    Args:
        paths: where they are.
        channels: of the images, if it is known.

    Returns:
        None if neither tells it.

    Raises:
        UsageError: some are raw files, and nothing says which are meant.
    """
    paths = list(paths)
    prepared = {kind for path in paths if (kind := _prepared_kind(path))}
    if channels not in (None, COUNTS[MOSAIC]):
        return kind_by_count(channels)
    if MOSAIC in prepared:
        return MOSAIC
    kinds = {suffix for path in paths for suffix in _suffixes(path)}
    if channels is not None:  # where nothing is seen yet, as in a bucket, it means what it always did
        return CHANNELS if prepared or (kinds & IMAGE_SUFFIXES and not kinds & RAW_SUFFIXES) else MOSAIC
    if kinds & RAW_SUFFIXES and kinds & IMAGE_SUFFIXES:
        raise UsageError("`data` holds raw files and others: say `channels` 4 for the raw ones, 3 or 1 for the others")
    return MOSAIC if kinds & RAW_SUFFIXES else None


def _prepared_kind(folder: str) -> str | None:
    """Of prepared crops; None for what is no folder of shards, or none on this machine."""
    try:
        told = json.loads(Path(folder, MANIFEST).expanduser().read_text(encoding="utf-8"))
        return told.get("kind") or kind_by_count(told["channels"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _suffixes(path: str) -> Iterable[str]:
    """Of a file, of the files in a folder, or of those that a glob matches."""
    path = os.path.expanduser(path)
    for found in [path] if os.path.exists(path) else glob.glob(path, recursive=True):
        names = (name for _, _, each in os.walk(found) for name in each) if os.path.isdir(found) else [found]
        yield from (os.path.splitext(name)[1].lower() for name in names)
