"""OME-Zarr 0.4 and 0.5: which arrays of a Zarr group are an image and its smaller copies.

https://ngff.openmicroscopy.org/0.5/
"""

import json
from dataclasses import dataclass
from typing import Any

from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.pyramid import Level, pyramid
from n2n_tf.formats.zarr_checks import check_array
from n2n_tf.formats.zarr_place import GROUP, ZarrPlace, decoded

VERSIONS = ("0.4", "0.5")
AXES = "tczyx"
MOST_LEVELS = 64
CONSOLIDATED = "consolidated_metadata"


@dataclass(frozen=True)
class OmeImage:
    """An image of a Zarr group.

    Attributes:
        place: the group.
        axes: letters of `AXES`, in the order of the arrays; the last two are y and x.
        channels: their names, "" for one without; none at all if it names none.
        levels: of its pyramid, the first in full size.
        documents: the metadata of the group and its levels, as it is stored, by name.
        labels: whether the group holds labels too.
        consolidated: whether the group's metadata repeats that of all below.
    """

    place: ZarrPlace
    axes: str
    channels: tuple[str, ...]
    levels: tuple[Level, ...]
    documents: dict[str, bytes]
    labels: bool
    consolidated: bool


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


def without_consolidated(name: str, document: bytes) -> bytes:
    """A document of a group, without the copies of all documents below."""
    if name != "zarr.json" or not (group := json.loads(document)).get(CONSOLIDATED):
        return document
    return json.dumps({key: value for key, value in group.items() if key != CONSOLIDATED}, indent=2).encode()


def _open_image(place: ZarrPlace) -> OmeImage:
    attributes, names = attributes_of(place)
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
    channels = _channels(attributes.get("omero"))
    return OmeImage(place, axes, channels, levels, documents, place.holds("labels"), bool(copies))


def attributes_of(place: ZarrPlace) -> tuple[dict[str, Any], list[str]]:
    """OME's attributes of a group, and the names of its documents."""
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


def _channels(omero: Any) -> tuple[str, ...]:
    """Names of the channels; damage does no harm, since only who picks by name needs them."""
    told = omero.get("channels") if isinstance(omero, dict) else None
    each = told if isinstance(told, list) else []
    names = tuple(str(one.get("label") or "") if isinstance(one, dict) else "" for one in each)
    return names if any(names) else ()


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
