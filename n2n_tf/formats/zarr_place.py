"""A Zarr group where it lies: a folder, or a URL that fsspec knows."""

import contextlib
import importlib.util
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from n2n_tf.files import write
from n2n_tf.formats.errors import UnusableImageError

GROUP = ("zarr.json", ".zgroup")  # version 3, version 2
MOST_BYTES = 2**24  # of a metadata document
T = TypeVar("T")
MISSING = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


def is_url(path: str) -> bool:
    """Whether it is no path of this machine."""
    return "://" in path


def check_installed() -> None:
    """Raise UnusableImageError where zarr or fsspec is missing."""
    missing = [name for name in ("zarr", "fsspec") if importlib.util.find_spec(name) is None]
    if missing:
        raise UnusableImageError(
            f"a Zarr group needs {' and '.join(missing)}: pip install n2n-tf[zarr], on Python 3.11 or later"
        )


class ZarrPlace:
    """The documents and arrays of a Zarr group.

    Args:
        path: folder or URL of the group, which need not exist.

    Raises:
        UnusableImageError: zarr or fsspec is missing, or fsspec has no way to such a URL.
    """

    def __init__(self, path: str):
        check_installed()
        import fsspec

        self.path = path.rstrip("/") or path
        self.local = not is_url(path)
        try:
            self._files, root = fsspec.core.url_to_fs(self.path) if not self.local else (fsspec.filesystem("file"), "")
        except (ImportError, ValueError) as error:  # a package for the protocol is missing, or nobody knows it
            raise UnusableImageError(f"no way to this URL: {error}") from error
        self._root = os.path.abspath(path) if self.local else root.rstrip("/")

    def read(self, key: str) -> bytes | None:
        """A small file of the group; None if it is not there.

        Raises:
            UnusableImageError: it is too large.
            OSError: it cannot be read.
        """
        try:
            data = self._files.cat_file(f"{self._root}/{key}", start=0, end=MOST_BYTES + 1)
        except MISSING:
            return None
        except Exception as error:  # of the network: botocore's and aiohttp's are no OSErrors
            raise _told(error, "read") from error
        if len(data) > MOST_BYTES:
            raise UnusableImageError(f"{key}: more than {MOST_BYTES} bytes of metadata")
        return data

    def document(self, key: str) -> dict[str, Any] | None:
        """A JSON object of the group; None if it is not there.

        Raises:
            UnusableImageError: something else is there.
        """
        data = self.read(key)
        try:
            document = None if data is None else json.loads(data)
        except (ValueError, RecursionError) as error:
            raise UnusableImageError(f"{key}: no JSON: {error}") from error
        if document is not None and not isinstance(document, dict):
            raise UnusableImageError(f"{key}: wanted a JSON object")
        return document

    def write(self, key: str, data: bytes) -> None:
        """A small file of the group: old or new, never half."""
        if self.local:
            path = Path(self._root, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, lambda temporary: temporary.write_bytes(data))
        else:
            decoded(lambda: self._files.pipe_file(f"{self._root}/{key}", data), "written")

    def remove(self, key: str = "") -> None:
        """A file, or with no name the group with all that is in it; nothing if it is not there."""
        with contextlib.suppress(*MISSING):
            decoded(lambda: self._files.rm(f"{self._root}/{key}".rstrip("/"), recursive=not key), "removed")

    def holds(self, path: str = "") -> bool:
        """Whether a group, or an array of version 3, is there."""
        return any(self.read(f"{path}/{name}".lstrip("/")) is not None for name in GROUP)

    def array(self, path: str, mode: str = "r") -> Any:
        """The zarr.Array of that name in the group; "r" to read, "r+" to write too."""
        import zarr

        return zarr.open_array(self._store(mode == "r"), path=path, mode=mode)

    def consolidate(self) -> None:
        """Copy the metadata of all arrays into the group's, for readers that cannot list what is there."""
        import zarr

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # version 3 has no standard for it yet
            zarr.consolidate_metadata(self._store(read_only=False))

    def _store(self, read_only: bool) -> Any:
        import zarr

        if self.local:
            return zarr.storage.LocalStore(self._root, read_only=read_only)
        return zarr.storage.FsspecStore.from_url(self.path, read_only=read_only)


def decoded(read: Callable[[], T], what: str = "decoded") -> T:
    """What `read` gives; what a damaged group or a network makes it raise, which is open-ended, UnusableImageError."""
    try:
        return read()
    except (UnusableImageError, MemoryError, *MISSING):
        raise
    except Exception as error:
        raise _told(error, what) from error


def _told(error: Exception, what: str) -> Exception:
    """The error itself if the system tells it, or an UnusableImageError."""
    if isinstance(error, OSError) and error.errno is not None:
        return error
    return UnusableImageError(f"cannot be {what}: {error or repr(error)}")


def written(array: Any, place: tuple[slice, ...], pixels: np.ndarray) -> None:
    """Write pixels into a zarr.Array; what that makes zarr raise as UnusableImageError."""
    decoded(lambda: array.__setitem__(place, pixels), "written")
