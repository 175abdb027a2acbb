"""What OME-XML and ImageJ tell of a set of planes: names, and steps in µm and s."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

MICROMETRES = {  # of each unit of length, as OME and ImageJ write them
    "m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0,
    "nm": 1e-3, "pm": 1e-6, "Å": 1e-4, "in": 25400.0, "inch": 25400.0,
}  # fmt: skip
SECONDS = {"d": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0, "sec": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True)
class Told:
    """As `Axes` has them."""

    channels: tuple[str, ...] = ()
    steps: Mapping[str, float] = field(default_factory=dict)
    name: str = ""


def told(tiff: tifffile.TiffFile) -> dict[int, Told]:
    """By the number of the series, which is that of the image in the OME-XML."""
    if tiff.is_imagej:
        return {0: Told(steps=_imagej_steps(tiff))}
    return {number: _of_image(image) for number, image in enumerate(_inside(_tree(tiff), "Image"))}


def significant_bits(tiff: tifffile.TiffFile) -> int:
    """Of all numbers, as OME-XML tells; 0 if it does not, or not the same of all images."""
    if not tiff.is_ome:
        return 0
    bits = {pixels.get("SignificantBits", "") for pixels in _inside(_tree(tiff), "Pixels")}
    found = bits.pop() if len(bits) == 1 else ""
    return int(found) if found.isascii() and found.isdigit() else 0


def _tree(tiff: tifffile.TiffFile) -> ElementTree.Element:
    """The OME-XML; nothing where it is damaged."""
    try:
        return ElementTree.fromstring(tiff.ome_metadata or "<none/>")
    except ElementTree.ParseError:
        return ElementTree.Element("none")


def _of_image(image: ElementTree.Element) -> Told:
    names = [each.get("Name", "") for each in _inside(image, "Channel")]
    pixels = next(iter(_inside(image, "Pixels")), image)
    found = {axis: _ome(pixels, f"PhysicalSize{axis}", MICROMETRES, "µm") for axis in "ZYX"}
    found["T"] = _ome(pixels, "TimeIncrement", SECONDS, "s")
    return Told(tuple(names) if any(names) else (), _known(found), image.get("Name", ""))


def _inside(element: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    return [each for each in element.iter() if each.tag.rpartition("}")[2] == tag]


def _ome(pixels: ElementTree.Element, key: str, units: Mapping[str, float], default: str) -> float | None:
    return _number(pixels.get(key), units.get(pixels.get(f"{key}Unit", default)))


def _imagej_steps(tiff: tifffile.TiffFile) -> dict[str, float]:
    """Its resolution is in pixels for each of its unit."""
    metadata, tags = tiff.imagej_metadata or {}, tiff.pages.first.tags
    unit = MICROMETRES.get(str(metadata.get("unit")))
    found = {"Z": _number(metadata.get("spacing"), unit), "T": _number(metadata.get("finterval"), 1.0)}
    for axis, code in (("X", 282), ("Y", 283)):
        value = np.ravel(tags[code].value) if code in tags else np.zeros(0)
        if value.size == 2 and value.all():
            found[axis] = _number(value[1] / value[0], unit)
    return _known(found)


def _number(text: Any, unit: float | None) -> float | None:
    """A step in µm or s; None where it, or its unit, is none."""
    try:
        return None if text is None or unit is None else float(text) * unit
    except (TypeError, ValueError):
        return None


def _known(found: Mapping[str, float | None]) -> dict[str, float]:
    return {axis: step for axis, step in found.items() if step and step > 0 and math.isfinite(step)}
