"""`inspect`, from paths to a report."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from n2n_tf.config import RunError, UsageError
from n2n_tf.data.finding import reason
from n2n_tf.inference import Denoiser, load_denoiser
from n2n_tf.meter import METERS, Gain
from n2n_tf.progress import ProgressLine
from n2n_tf.tasks.inspect.gains import MOST, Residual, gained, gained_on_shots
from n2n_tf.tasks.inspect.images import Looked, look, settings_of, shots_of
from n2n_tf.tasks.inspect.measure import Part, measured
from n2n_tf.tasks.inspect.report import Report
from n2n_tf.tasks.inspect.verdict import judge
from n2n_tf.value_range import UNIT

IMAGES = 32
MOST_PARTS = 8  # channels that are measured alone; of more, the first


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
    looked = look(settings_of([str(path) for path in several], given), images)
    if denoiser:
        _check_model(denoiser, looked)
    name = None if model is None else "the network" if isinstance(model, keras.Model) else str(model)
    scenes = [] if shots is None else shots_of(str(shots), looked, MOST)
    parts = _measure(looked, quiet)
    gain, residual = _try(denoiser, looked, parts, quiet)
    on_shots = gained_on_shots(denoiser or (lambda image: image), scenes) if scenes else None
    seconds = time.monotonic() - begin
    helps = gain is None or not gain.valid or gain.psnr > gain.before
    return Report(looked, parts, judge(parts, looked, name, helps), name, gain, residual, on_shots, seconds)


def _measure(looked: Looked, quiet: bool) -> list[Part]:
    names = looked.parts[:MOST_PARTS]
    with ProgressLine("measuring", len(names) * len(METERS), quiet=quiet) as line:
        return [_part(looked, name, number if len(looked.parts) > 1 else None, line.advance)
                for number, name in enumerate(names)]  # fmt: skip


def _part(looked: Looked, name: str, number: int | None, advance: Callable[[], None]) -> Part:
    return measured(name, lambda: looked.unit_images(number), advance)


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
