"""Microscopes' own formats, read by bioio's readers, each a package of its own; one plane at a time.

They are not written: a result is an OME-TIFF of the same axes, sizes, names and type. Scenes, tiles of a mosaic, and
what else lies beyond time, depth and channels become images of it.
"""

import datetime
import functools
import importlib
import importlib.util
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from n2n_tf.formats.axes import Axes
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.format import Format, Pages
from n2n_tf.formats.page import CHANNELS, GRAY, RGB, Page
from n2n_tf.formats.tiff.ome_writer import ALONG, SUFFIX, write_ome

EXTRA = "n2n-tf[microscopy]"
INSIDE = "YXS"  # axes of a plane
MOST_PLANES = 2**20
KINDS = {1: GRAY, 3: RGB, 4: RGB}  # by samples of a pixel; a fourth is alpha


@dataclass(frozen=True)
class Scene:
    """What a reader tells of an image that a file holds.

    Attributes:
        number, name: of it.
        sizes: of all axes, slowest first.
        dtype: of the pixels.
        channels: their names; none if the file names none.
        steps: as `Axes` has them.
    """

    number: int
    name: str
    sizes: dict[str, int]
    dtype: str
    channels: tuple[str, ...]
    steps: dict[str, float]

    @property
    def loops(self) -> dict[str, int]:
        """The axes beyond a plane, those that OME has no place for first."""
        letters = sorted((axis for axis in self.sizes if axis not in INSIDE), key=lambda axis: axis in ALONG)
        return {axis: self.sizes[axis] for axis in letters}

    @property
    def planes(self) -> int:
        return math.prod(self.loops.values())

    def axes(self, first: int) -> Axes:
        """How its planes lie; `first` is the number of the first of them in the file."""
        numbers = np.arange(first, first + self.planes).reshape(tuple(self.loops.values()))
        return Axes("".join(self.loops), numbers, self.channels, self.steps, self.name)


@dataclass(frozen=True)
class Microscope:
    """What reads a format.

    Attributes:
        name: of the format.
        package: of its reader.
        install: what pip takes to install that.
        bgr: whether the reader gives colours blue first.
        options: of the reader.
    """

    name: str
    package: str
    install: str = EXTRA
    bgr: bool = False
    options: tuple[tuple[str, Any], ...] = ()

    def format(self, first_bytes: tuple[bytes, ...], *suffixes: str, by_suffix: bool = False) -> Format:
        """Its line in the table."""
        found = frozenset(suffixes)
        return Format(
            self.name, first_bytes, found, self.header, self.read, self.write, by_suffix, self.axes, becomes=SUFFIX
        )

    def header(self, path: str) -> list[Page]:
        """The planes of all scenes.

        Raises:
            UnusableImageError: the reader is missing, or too many planes.
        """
        scenes = self._scenes(path)
        if (planes := sum(scene.planes for scene in scenes)) > MOST_PLANES:
            raise UnusableImageError(f"{planes} planes; at most {MOST_PLANES} are read")
        each = [scene for scene in scenes for _ in range(scene.planes)]
        return [_page(path, number, scene) for number, scene in enumerate(each)]

    def read(self, path: str, number: int) -> np.ndarray:
        """The pixels of a plane, of which alone the file is read: [H, W] or [H, W, C]."""
        for scene in self._scenes(path):
            if number < scene.planes:
                break
            number -= scene.planes
        place = np.unravel_index(number, tuple(scene.loops.values()))
        reader = _reader(self, path, _stamp(path), scene.number)
        inside = "YXS" if "S" in scene.sizes else "YX"
        image = _pixels(reader, inside, dict(zip(scene.loops, map(int, place), strict=True)))
        image = np.asarray(image, image.dtype.newbyteorder("="))
        return image[..., ::-1] if self.bgr and inside == "YXS" else image

    def axes(self, path: str) -> list[Axes]:
        """Of each scene."""
        found: list[Axes] = []
        for scene in self._scenes(path):
            found.append(scene.axes(sum(each.numbers.size for each in found)))
        return found

    def write(self, source: str, target: Path, images: Pages) -> None:
        """As `Format.write`: an OME-TIFF."""
        write_ome(target, self.axes(source), self.header(source), images)

    def _scenes(self, path: str) -> tuple[Scene, ...]:
        if importlib.util.find_spec(self.package.replace("-", "_")) is None:
            raise UnusableImageError(f"a {self.name} file needs {self.package}: pip install {self.install}")
        return _scenes(self, path, _stamp(path))


def _stamp(path: str) -> tuple[int, int]:
    """What tells a file from what it was before."""
    found = os.stat(path)
    return found.st_mtime_ns, found.st_size


@functools.lru_cache(64)
def _scenes(form: Microscope, path: str, stamp: tuple[int, int]) -> tuple[Scene, ...]:
    reader = _opened(form, path)
    return tuple(_scene(reader, number, str(name)) for number, name in enumerate(reader.scenes))


@functools.lru_cache(16)
def _reader(form: Microscope, path: str, stamp: tuple[int, int], scene: int) -> Any:
    """A reader that stays at a scene: several threads read at a time."""
    reader = _opened(form, path)
    reader.set_scene(scene)
    return reader


def _opened(form: Microscope, path: str) -> Any:
    module = importlib.import_module(form.package.replace("-", "_"))
    return module.Reader(path, **dict(form.options))


def _scene(reader: Any, number: int, name: str) -> Scene:
    reader.set_scene(number)
    sizes = dict(zip(reader.dims.order, reader.dims.shape, strict=True))
    names = [each if isinstance(each, str) else "" for each in reader.channel_names or ()]  # numbers are no names
    told = len(names) == sizes.get("C", 1) and any(names)
    steps = {axis: getattr(reader.physical_pixel_sizes, axis, None) for axis in "ZYX"}
    interval = getattr(reader, "time_interval", None)
    if isinstance(interval, datetime.timedelta):
        steps["T"] = interval.total_seconds()
    found = {axis: float(step) for axis, step in steps.items() if step and math.isfinite(step) and axis in sizes}
    return Scene(number, name, sizes, np.dtype(reader.dtype).name, tuple(map(str, names)) if told else (), found)


def _page(path: str, number: int, scene: Scene) -> Page:
    samples = scene.sizes.get("S", 1)
    kind = KINDS.get(samples, CHANNELS)
    return Page(path, number, scene.sizes["Y"], scene.sizes["X"], samples, kind, scene.dtype)


def _pixels(reader: Any, inside: str, place: dict[str, int]) -> np.ndarray:
    """A plane. Of some readers arrays alone are lazy, of others only what takes an index is, and right for colours."""
    if "_read_indexed" in vars(type(reader)):
        return reader.get_image_data(inside, **place)
    return reader.get_image_dask_data(inside, **place).compute(scheduler="synchronous")
