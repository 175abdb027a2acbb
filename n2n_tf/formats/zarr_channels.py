"""Some channels of an OME-Zarr image, as if it had no others."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from n2n_tf.formats.channels import UnknownChannelError, places_of
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.ome_zarr import OmeImage, open_image
from n2n_tf.formats.zarr_place import ZarrPlace

ROOT = ("zarr.json", ".zattrs")  # where OME's metadata are


def with_channels(image: OmeImage, wanted: Sequence[str]) -> OmeImage:
    """An image whose arrays, metadata and documents are those of some channels.

    Args:
        image: with all of them.
        wanted: names, or numbers from 1; without any, the image itself.

    Raises:
        UnusableImageError: it has no axis of channels.
        UnknownChannelError: it has none of this name or number.
    """
    if not wanted:
        return image
    if "c" not in image.axes:
        raise UnusableImageError("has no axis of channels to pick from; leave `channel` out for such images")
    axis = image.axes.index("c")
    places = places_of(wanted, image.channels, image.levels[0].shape[axis])
    levels = [replace(each, shape=(*each.shape[:axis], len(places), *each.shape[axis + 1 :])) for each in image.levels]
    arrays = {f"{level.path}/{name}" for level in levels for name in ("zarr.json", ".zarray")}
    documents = dict(image.documents)
    for name in arrays & documents.keys():
        array = json.loads(documents[name])
        array["shape"][axis] = len(places)
        documents[name] = json.dumps(array, indent=2).encode()
    for name in set(ROOT) & documents.keys():
        documents[name] = _described(documents[name], places)
    part, names = _Part(image.place.path, axis, places), image.channels
    chosen = tuple(names[place] for place in places if place < len(names))
    return replace(image, place=part, levels=tuple(levels), documents=documents, channels=chosen)


def lacking(paths: Iterable[str], wanted: Sequence[str]) -> dict[str, str]:
    """Those images that have no such channels -> what they have. What else is wrong with them is not told here."""
    found = {}
    for path in paths if wanted else ():
        try:
            with_channels(open_image(path), wanted)
        except UnknownChannelError as error:
            found[path] = str(error)
        except (UnusableImageError, OSError):
            continue
    return found


class _Part(ZarrPlace):
    """A group whose arrays hold some places of an axis alone."""

    def __init__(self, path: str, axis: int, places: Sequence[int]):
        super().__init__(path)
        self.axis, self.places = axis, list(places)

    def array(self, path: str, mode: str = "r") -> Any:
        return _PartOfArray(super().array(path, mode), self.axis, self.places)


class _PartOfArray:
    """Reads what a zarr.Array has at some places of an axis."""

    def __init__(self, array: Any, axis: int, places: list[int]):
        self.array, self.axis, self.places = array, axis, places

    def __getitem__(self, region: tuple[Any, ...]) -> np.ndarray:
        before, chosen, behind = region[: self.axis], self.places[region[self.axis]], region[self.axis + 1 :]
        if isinstance(chosen, int):
            return self.array[(*before, chosen, *behind)]
        if all(one + 1 == other for one, other in pairwise(chosen)):
            return self.array[(*before, slice(chosen[0], chosen[-1] + 1), *behind)]
        parts = [self.array[(*before, slice(place, place + 1), *behind)] for place in chosen]
        return np.concatenate(parts, axis=self.axis - sum(isinstance(each, int) for each in before))


def _ome(document: dict[str, Any]) -> dict[str, Any]:
    """OME's attributes in a document of the group."""
    attributes = document.get("attributes") or document
    return attributes.get("ome", attributes)


def _described(document: bytes, places: Sequence[int]) -> bytes:
    """A document of the group that tells of these channels alone."""
    group = json.loads(document)
    omero = _ome(group).get("omero")
    if isinstance(omero, dict) and isinstance(omero.get("channels"), list):
        channels = omero["channels"]
        omero["channels"] = [channels[place] for place in places if place < len(channels)]
    return json.dumps(group, indent=2).encode()
