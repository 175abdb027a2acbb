"""What the panels have done, in the worker's process."""

import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from n2n_tf.config.kinds import CHANNELS, MOSAIC, kind_by_count
from n2n_tf.data.arrays import arrays
from n2n_tf.data.planes import Planes
from n2n_tf.inference import Denoiser, range_of
from n2n_tf.inspection.words import blocks
from n2n_tf.napari import MINUTES, NOTHING, OWN
from n2n_tf.napari.link import Link
from n2n_tf.tasks.adapting import NEIGHBORS, RECIPE
from n2n_tf.tasks.inspect import inspect_source
from n2n_tf.training.begin import train as run
from n2n_tf.training.presets import build_config
from n2n_tf.training.watching import Watch
from n2n_tf.weights import SHIPPED, load_denoiser, name_of

IMAGES, NUMBERS = 32, 2**24  # planes that are inspected, and numbers of them together: some 7 seconds
SIDES = 128, 64  # of crops, the first that the planes have room for
HELD = 2**31  # bytes of a layer that are trained on from memory; of a larger one each crop is asked for
OFTEN = 0.2  # seconds between two words on steps
_ready: dict[tuple[Any, ...], Denoiser] = {}  # the last one, traced


def denoise(link: Link, planes: Planes, model: str, units: str | tuple[float, float], ensemble: bool) -> None:
    """Denoise planes; each is told when it is done.

    Args:
        link: to napari.
        planes: of the layer.
        model: run directory, .keras file or a name of the package's.
        units: intensities that count as 0 and 1, or a rule that says them of each plane: "dtype", or `OWN`: the range
            inside the network, and where it has none the type's of 8 bits, "auto" of more.
        ensemble: mean over flips and rotations.

    Raises:
        StoppedError: it was told to stop.
        UsageError, ValueError: no denoiser, or one of other images.
    """
    denoiser = _denoiser(model, units, planes.dtype)
    denoiser.ensemble = ensemble
    height, width, _ = planes.shape
    total, done = len(planes) * height * width, 0

    def advance(pixels: int) -> None:
        nonlocal done
        done += pixels
        plane = min(len(planes), done // (height * width) + 1)
        link.tell("progress", done / total, f"Plane {plane} of {len(planes)}" if len(planes) > 1 else "Denoising…")
        link.check()

    denoiser.check_shape(planes.shape)
    for number in range(len(planes)):
        plane = planes.read(number)
        if not number and (misfit := denoiser.misfit(plane)):
            link.tell("warning", misfit)
        advance(0)
        link.tell("plane", number, denoiser(plane, on_tile=advance))


def _denoiser(model: str, units: str | tuple[float, float], dtype: np.dtype) -> Denoiser:
    """Ready for use; that of the call before if it is the same."""
    file = os.path.join(model, "denoiser.keras") if os.path.isdir(model) else model
    written = os.stat(file).st_mtime_ns if model not in SHIPPED and os.path.exists(file) else 0
    key = (model, written, units, dtype)
    if key not in _ready:
        network = load_denoiser(model)
        own = None if range_of(network) or dtype == np.uint8 else "auto"
        _ready.clear()
        _ready[key] = Denoiser(network, any_channels=True, value_range=own if units == OWN else units)
    return _ready[key]


def inspect(link: Link, planes: Planes, name: str) -> tuple[list[tuple[str, str]], bool | None]:
    """Measure the noise of planes.

    Returns:
        The report, titles and texts; and whether the method fits, None if that cannot be told.
    """
    link.tell("progress", -1, "Measuring…")
    source = arrays(planes, name)
    report = inspect_source(source, build_config(_images(planes, name)).images, IMAGES, NUMBERS)
    link.check()
    return blocks(report), report.verdict.fits


def train(
    link: Link, planes: Planes, name: str, start: str, amount: int, unit: str, output: str, preview: bool, number: int
) -> dict[str, Any]:
    """Train on planes, with Neighbor2Neighbor; what each epoch makes of the plane that is shown is told.

    Args:
        link: to napari.
        planes: of the layer.
        name: of the layer.
        start: what to start from: run directory, .keras file, a name of the package's, or `NOTHING`.
        amount, unit: how long: `MINUTES` of training, or steps.
        output: run directory, made here.
        preview: whether anything is shown.
        number: of the plane that is shown first.

    Returns:
        The run's report.

    Raises:
        UsageError, RunError: as `training.begin.train`.
    """
    link.number, planes = number, _held(link, planes)
    every = RECIPE["steps_per_epoch"]
    length: dict[str, Any] = {"seconds": 60.0 * amount}
    if unit != MINUTES:
        every = min(every, amount)
        length = {"epochs": math.ceil(amount / every), "steps_per_epoch": every}
    side = next((each for each in SIDES if each <= min(planes.shape[:2])), SIDES[-1])
    settings = {**RECIPE, **NEIGHBORS, **length, "patch_size": side, **_images(planes, name), **_start(start)}
    watch = _Link(link, planes, preview, amount, unit == MINUTES)
    return run(build_config(settings), output, images=arrays(planes, name), watch=watch)


def _held(link: Link, planes: Planes) -> Planes:
    """In this process's memory, if it is not too large: a run then goes on to its end when napari goes."""
    if planes.nbytes > HELD:
        return planes
    link.tell("progress", -1, "Reading the layer…")
    array = np.empty(planes.array.shape, planes.dtype)
    for number in range(len(planes)):
        link.check()
        planes.write(array, number, planes.read(number))
    return Planes(array, planes.channels, planes.colors)


def _images(planes: Planes, name: str) -> dict[str, Any]:
    """Settings of such images, none of them raw mosaics."""
    channels = planes.shape[2]
    kind = kind_by_count(channels)
    return {"data": [name], "noise": "none", "channels": channels, "kind": CHANNELS if kind == MOSAIC else kind}


def _start(start: str) -> dict[str, Any]:
    """Settings of what a run starts from."""
    if start == NOTHING:
        return {}
    network = load_denoiser(start)
    name, features = name_of(network)
    limits = range_of(network)
    return {"weights": start, "network": name, "features": features, **({"range": list(limits)} if limits else {})}


class _Link(Watch):
    """Tells napari."""

    def __init__(self, link: Link, planes: Planes, preview: bool, amount: int, timed: bool):
        super().__init__()
        self._link, self._planes, self._preview = link, planes, preview
        self._amount, self._timed = amount, timed
        self._began, self._last = 0.0, 0.0

    def step(self, done: int, steps: int) -> None:
        now = time.monotonic()
        self._began = self._began or now
        if self._link.stopped:
            self.stop()
        elif now - self._last > OFTEN:
            self._last, minutes = now, (now - self._began) / 60
            share = minutes / self._amount if self._timed else done / steps
            of = f", {minutes:.1f} of {self._amount} minutes" if self._timed else f" of {steps}"
            self._link.tell("progress", min(1.0, share), f"Step {done}{of}")

    def epoch(self, number: int, scores: Mapping[str, float], denoise: Callable[[np.ndarray], np.ndarray]) -> None:
        shown = denoise(self._planes.read(self._link.number)) if self._preview and not self._link.stopped else None
        self._link.tell("epoch", number, dict(scores), shown)
