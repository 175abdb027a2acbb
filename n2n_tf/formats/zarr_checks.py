"""What the metadata of a Zarr array may say, checked before zarr sees it: numbers, no code, sizes that can be."""

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from n2n_tf.formats.errors import UnusableImageError

MOST_BYTES = 2**62  # of an array: what 64 bits count
COMPRESSORS = ("blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd")
FILTERS = ("adler32", "bitround", "crc32", "delta", "packbits", "shuffle")
VERSION_3 = ("bytes", "blosc", "crc32c", "gzip", "sharding_indexed", "transpose", "zstd")
CODECS = {
    2: frozenset({*COMPRESSORS, *FILTERS}),
    3: frozenset({*VERSION_3, *(f"numcodecs.{name}" for name in (*COMPRESSORS, *FILTERS))}),
}
TYPES = {2: re.compile(r"[<>|=]?([iuf][1248])"), 3: re.compile(r"((?:int|uint|float)\d\d?)")}


def check_array(document: dict[str, Any], path: str) -> None:
    """Check .zarray, or the zarr.json of an array.

    Raises:
        UnusableImageError: no array of numbers, codecs that are not known here (pickle is one), sizes that overflow.
    """
    try:
        version = document["zarr_format"]
        dtype = _dtype(document["dtype" if version == 2 else "data_type"], version)
        chunks = document["chunks"] if version == 2 else document["chunk_grid"]["configuration"]["chunk_shape"]
        codecs = list(_codecs(document, version))
        _check_sizes(document["shape"], chunks, dtype.itemsize)
        for inner in (each[1].get("chunk_shape", chunks) for each in codecs):
            _check_sizes(document["shape"], inner, dtype.itemsize)
        strange = {name for name, _ in codecs} - CODECS[version]
        if strange or document.get("storage_transformers"):
            names = ", ".join(sorted(map(str, strange))) or "storage transformers"
            raise ValueError(f"its codecs: {names}; wanted some of {', '.join(sorted(CODECS[version]))}")
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        reason = str(error) if type(error) is ValueError else f"damaged metadata ({error!r})"
        raise UnusableImageError(f"array {path}: {reason}") from error


def _dtype(name: Any, version: int) -> np.dtype:
    found = TYPES[version].fullmatch(name) if isinstance(name, str) else None
    if not found:
        raise ValueError(f"{name} pixels; wanted integers or floats")
    try:
        return np.dtype(found[1])
    except TypeError:
        raise ValueError(f"{name} pixels; wanted integers or floats") from None


def _codecs(document: dict[str, Any], version: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and settings of each codec, also of those inside of shards."""
    if version == 2:
        for each in (document.get("compressor"), *(document.get("filters") or ())):
            if each is not None:
                yield each["id"], {}
        return
    left = list(document["codecs"])
    while left:
        each = left.pop()
        name, settings = (each, {}) if isinstance(each, str) else (each["name"], each.get("configuration") or {})
        yield name, settings
        left += [*settings.get("codecs", ()), *settings.get("index_codecs", ())]


def _check_sizes(shape: Any, chunks: Any, itemsize: int) -> None:
    """Raise ValueError unless they are those of an array that is not empty and can be."""
    for sizes in (shape, chunks):
        if len(sizes) != len(shape) or any(type(size) is not int or size < 1 for size in sizes):
            raise ValueError(f"shape {shape} in chunks of {chunks}; wanted one positive number for each axis")
    if math.prod(shape) * itemsize > MOST_BYTES:
        raise ValueError(f"shape {shape}: more than {MOST_BYTES} bytes")
    if math.prod(chunks) * itemsize > MOST_BYTES:
        raise ValueError(f"chunks of {chunks}: more than {MOST_BYTES} bytes")
