"""OME-Zarr 0.4 and 0.5: which arrays of a Zarr group are an image and its smaller copies, and pixels of its planes.

https://ngff.openmicroscopy.org/0.5/
"""

import functools
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.pyramid import Level, pyramid
from n2n_tf.formats.zarr_checks import check_array
from n2n_tf.formats.zarr_place import GROUP, ZarrPlace, decoded

VERSIONS = ("0.4", "0.5")
AXES = "tczyx"
MOST_PLANES = 2**20
MOST_CHUNK = 2**31 - 1  # bytes: what Blosc takes
MOST_LEVELS = 64
CONSOLIDATED = "consolidated_metadata"


@dataclass(frozen=True)
class OmeImage:
    """An image of a Zarr group.

    Attributes:
        place: the group.
        axes: letters of `AXES`, in the order of the arrays; the last two are y and x.
        levels: of its pyramid, the first in full size.
        documents: the metadata of the group and its levels, as it is stored, by name.
        labels: whether the group holds labels too.
        consolidated: whether the group's metadata repeats that of all below.
    """

    place: ZarrPlace
    axes: str
    levels: tuple[Level, ...]
    documents: dict[str, bytes]
    labels: bool
    consolidated: bool


@dataclass(frozen=True, slots=True)
class Plane:
    """A YX plane of the full size of an image.

    Attributes:
        path: folder or URL of the image's group.
        axes, index: letters of its other axes, and the plane's number along each.
        height, width: in pixels.
        dtype: NumPy's name of what the file stores.
    """

    path: str
    axes: str
    index: tuple[int, ...]
    height: int
    width: int
    dtype: str


def open_image(path: str) -> OmeImage:
    """Read the metadata of an image.

    Args:
        path: folder or URL of its group.

    Raises:
        UnusableImageError: no image of OME-Zarr 0.4 or 0.5, or one that cannot be used.
        OSError: it cannot be read.
    """
    place = ZarrPlace(path)
    return decoded(lambda: _open_image(place))


def header(path: str) -> list[Plane]:
    """The planes of an image, in the order of its axes.

    Raises:
        UnusableImageError, OSError: as `open_image`; too many planes, too large chunks.
    """
    image = open_image(path)
    *others, height, width = image.levels[0].shape
    if math.prod(others) > MOST_PLANES:
        raise UnusableImageError(f"{math.prod(others)} planes; at most {MOST_PLANES} are read")
    full = image.levels[0]
    if math.prod(full.chunks) * full.dtype.itemsize > MOST_CHUNK:
        raise UnusableImageError(f"chunks of {full.chunks} pixels; at most {MOST_CHUNK} bytes are read for a window")
    return [Plane(path, image.axes[:-2], index, height, width, full.dtype.name) for index in np.ndindex(*others)]


def read_window(plane: Plane, top: int, left: int, side: int) -> np.ndarray:
    """Pixels of a square of a plane, [side, side] as stored; only the chunks that it lies in are read.

    Raises:
        UnusableImageError: it cannot be decoded.
        OSError: it cannot be read.
        ValueError: the square does not lie in the plane.
    """
    if not (side > 0 and 0 <= top <= plane.height - side and 0 <= left <= plane.width - side):
        raise ValueError(f"{side}×{side} pixels at {top}, {left}: not all in {plane.height}×{plane.width}")
    place = (*plane.index, slice(top, top + side), slice(left, left + side))
    return decoded(lambda: np.asarray(_full_size(plane.path)[place]))


def without_consolidated(name: str, document: bytes) -> bytes:
    """A document of a group, without the copies of all documents below."""
    if name != "zarr.json" or not (group := json.loads(document)).get(CONSOLIDATED):
        return document
    return json.dumps({key: value for key, value in group.items() if key != CONSOLIDATED}, indent=2).encode()


@functools.lru_cache(64)
def _full_size(path: str) -> Any:
    """The zarr.Array of the first level; opened once for many windows."""
    image = open_image(path)
    return image.place.array(image.levels[0].path)


def _open_image(place: ZarrPlace) -> OmeImage:
    attributes, names = _attributes(place)
    multiscales = attributes.get("multiscales")
    if not multiscales:
        raise UnusableImageError("no OME-Zarr image: a Zarr group without multiscales")
    if len(multiscales) > 1:
        raise UnusableImageError(f"{len(multiscales)} multiscales in one group; wanted one image: split it")
    image = multiscales[0]
    axes = _axes(image, attributes.get("version", image.get("version")))
    datasets = image["datasets"]
    paths = [checked_path(each["path"]) for each in datasets]
    inside = any(one.startswith(f"{other}/") for one in paths for other in paths)
    if not 1 <= len(set(paths)) == len(paths) <= MOST_LEVELS or inside:
        raise UnusableImageError(f"its levels are {paths}; wanted 1 to {MOST_LEVELS} apart from each other")
    for path in paths:
        names += _check_level(place, path, len(axes))
    arrays = [place.array(path) for path in paths]
    stored = {name: place.read(name) for name in names}
    documents = {name: data for name, data in stored.items() if data is not None}
    scales = [_scale(each, len(axes)) for each in datasets]
    levels = pyramid(paths, arrays, scales)
    copies = (place.document("zarr.json") or {}).get(CONSOLIDATED) or place.read(".zmetadata")
    return OmeImage(place, axes, levels, documents, place.holds("labels"), bool(copies))


def _attributes(place: ZarrPlace) -> tuple[dict[str, Any], list[str]]:
    """OME's attributes of the group, and the names of its documents."""
    group = place.document("zarr.json")
    if group is not None:
        attributes = group.get("attributes") or {}
        return attributes.get("ome", attributes), ["zarr.json"]
    attributes = place.document(".zattrs") or {}
    if not attributes and not place.holds():
        raise UnusableImageError("no Zarr group is there")
    return attributes, [".zgroup", ".zattrs"]


def _axes(image: dict[str, Any], version: Any) -> str:
    if version is not None and version not in VERSIONS:
        raise UnusableImageError(f"OME-Zarr {version}; wanted {' or '.join(VERSIONS)}: convert it")
    axes = image.get("axes") or ()
    names = [str(axis.get("name") if isinstance(axis, dict) else axis) for axis in axes]
    if names[-2:] != ["y", "x"] or set(names) - set(AXES) or len(set(names)) < len(names):
        raise UnusableImageError(f"its axes are {names}; wanted some of t, c, z, and y, x at the end")
    return "".join(names)


def checked_path(path: Any) -> str:
    """The name of an array in a group, or UnusableImageError: it could lead out of the group."""
    parts = path.split("/") if isinstance(path, str) else [""]
    if any(part in ("", ".", "..") or "\\" in part or not part.isprintable() for part in parts):
        raise UnusableImageError(f"array {path!r}: wanted a name inside the group")
    return path


def _check_level(place: ZarrPlace, path: str, axes: int) -> list[str]:
    """Names of the documents of an array, and of the groups between."""
    names = (f"{path}/zarr.json", f"{path}/.zarray")
    document = next((found for found in map(place.document, names) if found is not None), None)
    if document is None:
        raise UnusableImageError(f"array {path}: is not there")
    check_array(document, path)
    if len(document["shape"]) != axes:
        raise UnusableImageError(f"array {path}: {len(document['shape'])} axes; its image has {axes}")
    above = ["/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 1)]
    return [*(f"{group}/{name}" for group in above for name in (*GROUP, ".zattrs")), *names, f"{path}/.zattrs"]


def _scale(dataset: dict[str, Any], axes: int) -> list[float]:
    """Size of a pixel along each axis; ones if it is not told."""
    for each in dataset.get("coordinateTransformations") or ():
        if each.get("type") == "scale" and len(each.get("scale", ())) == axes:
            return [float(size) for size in each["scale"]]
    return [1.0] * axes
