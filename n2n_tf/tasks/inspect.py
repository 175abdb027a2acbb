"""`inspect`, from paths to a report."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from n2n_tf.config import RunError, UsageError
from n2n_tf.config.kinds import COUNTS, MOSAIC
from n2n_tf.data.finding import find_files, reason
from n2n_tf.data.fitting import Wanted
from n2n_tf.data.manifest import read_manifest, shards_at
from n2n_tf.data.settings import ImageSettings
from n2n_tf.data.source import Source
from n2n_tf.data.sources import kind_at
from n2n_tf.data.zarr_finding import zarrs_at
from n2n_tf.formats import readers
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.pixels import in_unit_range
from n2n_tf.inference import Denoiser
from n2n_tf.inspection.gains import MOST, Residual, gained, gained_on_shots
from n2n_tf.inspection.images import HELD, Looked, look, middle
from n2n_tf.inspection.measure import Part, measure
from n2n_tf.inspection.report import Report
from n2n_tf.inspection.verdict import judge
from n2n_tf.meter import Gain
from n2n_tf.meter.images import SIDE
from n2n_tf.progress import ProgressLine
from n2n_tf.training.presets import build_config
from n2n_tf.training.scale import choose_range
from n2n_tf.value_range import UNIT
from n2n_tf.weights import load_denoiser

IMAGES = 32


def inspect(
    paths: str | Path | Sequence[str | Path],
    model: "str | Path | keras.Model | None" = None,
    images: int = IMAGES,
    shots: str | Path | None = None,
    quiet: bool = True,
    **settings: Any,
) -> Report:
    """Measure the noise of images, and judge whether a denoiser can be trained on them alone.

    Of a set some images are read, evenly spaced, always the same; of large ones the middle. Everything is measured in
    units of the value range, which is chosen as training does.

    Args:
        paths: files, folders, globs, OME-Zarr, or a folder that prepare wrote.
        model: run directory, .keras file or network that is tried on them.
        images: how many are looked at, at most.
        shots: a folder of four or more shots of one scene, or of such folders: the error without any noise model.
        quiet: show no progress.
        settings: `channels`, `kind`, `channel`, `range`, as of `train`; without them the first file's channels.

    Raises:
        UsageError: a path that is not there, settings that contradict each other, a model of other images.
        RunError: no usable image.
    """
    begin = time.monotonic()
    several = [paths] if isinstance(paths, str | Path) else paths
    given = {name: value for name, value in settings.items() if value not in (None, (), [])}
    denoiser = None if model is None else _denoiser(model)
    if images < 1 or not several:
        raise UsageError(f"`images` {images}, {len(several)} paths: wanted at least one of each")
    wanted = settings_of([str(path) for path in several], given)
    source = kind_at(wanted.data).training(wanted.data, _wanted(wanted), "PATH")
    source.value_range = choose_range(wanted, source)
    looked = look(source, wanted, images)
    if denoiser:
        _check_model(denoiser, looked)
    name = None if model is None else "the network" if isinstance(model, keras.Model) else str(model)
    scenes = [] if shots is None else shots_of(str(shots), looked, MOST)
    parts = measure(looked, quiet)
    gain, residual = _try(denoiser, looked, parts, quiet)
    on_shots = gained_on_shots(denoiser or (lambda image: image), scenes) if scenes else None
    seconds = time.monotonic() - begin
    helps = gain is None or not gain.valid or gain.psnr > gain.before
    return Report(looked, parts, judge(parts, looked, name, helps), name, gain, residual, on_shots, seconds)


def inspect_source(source: Source, wanted: ImageSettings, images: int = IMAGES, most: int = HELD) -> Report:
    """As `inspect`, of images that are found; the verdict's command names what they are called.

    Args:
        source: of the images.
        wanted: how they are taken.
        images: how many are looked at, at most.
        most: numbers of all of them together.
    """
    begin = time.monotonic()
    source.value_range = choose_range(wanted, source)
    looked = look(source, wanted, images, most)
    parts = measure(looked, quiet=True)
    return Report(looked, parts, judge(parts, looked), seconds=time.monotonic() - begin)


def _denoiser(model: "str | Path | keras.Model") -> Denoiser:
    """Of images in units of the value range."""
    return Denoiser(model if isinstance(model, keras.Model) else load_denoiser(model), value_range=UNIT)


def _check_model(denoiser: Denoiser, looked: Looked) -> None:
    """Raise UsageError if it takes other images."""
    settings = looked.settings
    if (denoiser.channels, denoiser.kind) != (settings.channels, settings.image_kind):
        raise UsageError(
            f"`model` takes images of {denoiser.channels} channels, kind {denoiser.kind}; these have "
            f"{settings.channels}, kind {settings.image_kind}"
        )


def _try(
    denoiser: Denoiser | None, looked: Looked, parts: list[Part], quiet: bool
) -> tuple[Gain | None, Residual | None]:
    if denoiser is None:
        return None, None
    calls = 3 * min(MOST, len(looked.stored))
    with ProgressLine("denoising", calls, quiet=quiet) as line:
        try:
            return gained(lambda image: np.asarray(denoiser(image)), looked, parts, line.advance)
        except (ValueError, MemoryError) as error:
            raise RunError(f"`model`: {reason(error)}") from error


def settings_of(paths: Sequence[str], given: Mapping[str, Any]) -> ImageSettings:
    """How `train` would take these images; what their channels are is read of the first where it is not said.

    Args:
        paths: where the images are.
        given: fields of `ImageSettings`.

    Raises:
        UsageError: settings that contradict each other or the images.
    """
    told = {**given, "data": tuple(paths), "noise": "none"}
    settings = build_config(told).images
    if not {"channels", "kind", "channel"} & given.keys() and not settings.is_mosaic:
        settings = build_config({**told, **_read(paths)}).images
    return settings


def _read(paths: Sequence[str]) -> dict[str, Any]:
    """Channels and kind of prepared crops, Zarr or the first file that can be read."""
    if any(map(shards_at, paths)):
        manifest = read_manifest(next(path for path in paths if shards_at(path)))
        return {"channels": manifest["channels"], "kind": manifest["kind"]}
    if any(map(zarrs_at, paths)):
        return {"channels": 1}  # planes
    for file in find_files(paths, "PATH"):
        try:
            page = readers.pages(file)[0]
        except (UnusableImageError, OSError):
            continue
        if page.is_raw:
            return {"channels": COUNTS[MOSAIC], "kind": MOSAIC}
        return {"channels": page.colors}
    return {}


def shots_of(folder: str, looked: Looked, most: int) -> list[list[np.ndarray]]:
    """Shots by scene, each four, in units of the value range: of a folder, or of each folder in it.

    Args:
        folder: repeated shots of one scene, or such folders.
        looked: the images that they are taken like.
        most: scenes.

    Raises:
        UsageError: no such folder, or fewer than four shots of a scene.
    """
    at = Path(folder).expanduser()
    if not at.is_dir():
        raise UsageError(f"`shots` {folder}: no such folder; wanted repeated shots of one scene, or one folder each")
    scenes = sorted(each for each in at.iterdir() if each.is_dir()) or [at]
    found = []
    for scene in scenes[:most]:
        source = kind_at([str(scene)]).training([str(scene)], _wanted(looked.settings), "`shots`")
        if len(source) < 4:
            raise UsageError(f"`shots` {scene}: {len(source)} shots; wanted 4 of each scene at least")
        first = [middle(image, HELD // 16) for image in source.samples(4)]
        if len({image.shape for image in first}) > 1:
            raise UsageError(f"`shots` {scene}: shots of different sizes; wanted the same view, one size")
        found.append([in_unit_range(image, looked.value_range) for image in first])
    return found


def _wanted(settings: ImageSettings) -> Wanted:
    return Wanted(settings.channels, settings.image_kind, SIDE, settings.channel)
