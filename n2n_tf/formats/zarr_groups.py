"""Which folders are OME-Zarr images."""

import itertools
import os
from collections.abc import Iterator
from typing import Any

from n2n_tf.files import PARTIAL
from n2n_tf.formats.ome_zarr import attributes_of, checked_path
from n2n_tf.formats.zarr_place import MOST_BYTES, ZarrPlace, decoded

MARKS = {".zgroup", ".zarray", "zarr.json"}
IMAGE, ARRAY = b'"multiscales"', b'"array"'  # in the metadata of such


def is_zarr(folder: str) -> bool:
    """Whether a folder is a Zarr group or array."""
    return any(os.path.isfile(os.path.join(folder, mark)) for mark in MARKS)


def images_in(folder: str) -> Iterator[str]:
    """Groups with multiscales under a folder, which may be one; what lies in them is not looked at."""
    return (at for at, is_image, _ in walk(folder) if is_image)


def walk(folder: str) -> Iterator[tuple[str, bool, list[str]]]:
    """Folders that lie in no image and no array: path, whether it is an image, names of files."""
    seen: set[str] = set()
    for at, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(at)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(each for each in folders if not each.startswith(PARTIAL))
        text = b"".join(_content(at, name) for name in ("zarr.json", ".zattrs") if name in files)
        is_image = bool(MARKS & set(files)) and IMAGE in text
        if is_image or ".zarray" in files or ("zarr.json" in files and ARRAY in text):
            folders.clear()
        yield at, is_image, files


def images_at(url: str) -> list[str]:
    """The images of a group at a URL, where nothing can be listed: itself, or those that its metadata names.

    Raises:
        UnusableImageError, OSError: it cannot be read.
    """
    url = url.rstrip("/")
    return [f"{url}/{path}" if path else url for path in decoded(lambda: list(_named(url)))]


def _named(url: str) -> Iterator[str]:
    """Paths inside a group of the images of a plate, a well or bioformats2raw's collection; of an image its own, ""."""
    told = attributes_of(ZarrPlace(url))[0]
    if wells := (told.get("plate") or {}).get("wells"):
        for well in map(_path, wells):
            yield from (f"{well}/{inside}" for inside in _named(f"{url}/{well}"))
    elif fields := (told.get("well") or {}).get("images"):
        yield from map(_path, fields)
    elif "bioformats2raw.layout" in told and "multiscales" not in told:
        place, numbers = ZarrPlace(f"{url}/OME"), map(str, itertools.count())
        series = attributes_of(place)[0].get("series") if place.holds() else None
        there = itertools.takewhile(lambda each: ZarrPlace(f"{url}/{each}").holds(), numbers)
        yield from map(checked_path, series or there)
    else:
        yield ""


def _path(each: dict[str, Any]) -> str:
    return checked_path(each["path"])


def _content(folder: str, name: str) -> bytes:
    try:
        with open(os.path.join(folder, name), "rb") as file:
            return file.read(MOST_BYTES)
    except OSError:
        return IMAGE  # likely one; whoever opens it is told why that fails
