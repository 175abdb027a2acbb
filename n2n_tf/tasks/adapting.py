"""Train a denoiser a little further on the very images that it is to denoise."""

import contextlib
import logging
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from n2n_tf.config import SECONDS, RunError, UnfitNoiseError
from n2n_tf.config.kinds import MOSAIC
from n2n_tf.formats import readers
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.inference import kind_of_network, range_of
from n2n_tf.meter.gain import LEAST
from n2n_tf.training.begin import train
from n2n_tf.training.presets import build_config
from n2n_tf.training.scorer import COST, RECONSTRUCTION
from n2n_tf.training.stages import TEACHER
from n2n_tf.value_range import Told
from n2n_tf.weights import load_denoiser, name_of

logger = logging.getLogger(__name__)

SCORED = 2  # images, after each epoch
RECIPE: dict[str, Any] = {
    "patch_size": 128, "batch_size": 4, "epochs": 10**5, "steps_per_epoch": 25, "learning_rate": 5e-4,
    "learning_rate_schedule": "constant", "ema": 0.98, "checkpoint_steps": 10**6, "mixed_precision": "auto",
    "clip_gradients": 0.0,
}  # fmt: skip
NEIGHBORS: dict[str, Any] = {"gamma": 1.0, "gamma_schedule": "constant", "targets": 2}


def adapt(
    model: str | Path, images: str | Path | Sequence[str | Path], seconds: float = SECONDS, value_range: Told = None,
    channel: Sequence[str] = (),
) -> keras.Model:  # fmt: skip
    """A denoiser, trained on noisy images, and never worse than it was.

    By the method's own loss; where noise is Gaussian, of one level that could be measured, on recorrupted pairs: they
    are whole images, and teach a good start more (docs/adapting.md). The best one so far is kept, by the error that
    Stein's estimate tells where that is valid, else by the reconstruction. Where neighbours share noise it takes two
    stages, as `train` does.

    Args:
        model: run directory, .keras file, or one that comes with the package; of one of our networks.
        images: files to train on; one is enough.
        seconds: of training, after about as many of getting ready.
        value_range: of the images, as `Denoiser` takes it; None: the model's own, or that of a training run.
        channel: of stacks with a channel axis, the planes of these alone.

    Returns:
        The denoiser, with the value range inside.

    Raises:
        UsageError: settings that cannot be right, or the model is none of our networks.
        RunError: none of the images can be trained on.
    """
    network = load_denoiser(model)
    name, features = name_of(network)
    channels = network.input_shape[-1]
    files = _fitting([images] if isinstance(images, str | Path) else images, channels, RECIPE["patch_size"])
    settings = {
        **RECIPE, "weights": str(model), "network": name, "features": features, "channels": channels,
        "data": files, "val_data": files[:SCORED], "noise": "none", "seconds": seconds,
    }  # fmt: skip
    limits = value_range or range_of(network)
    if kind_of_network(network) == MOSAIC:
        settings["kind"] = MOSAIC
    elif limits:
        settings["range"] = [limits] if isinstance(limits, str) else list(limits)
    if channel:
        settings["channel"] = list(channel)
    with tempfile.TemporaryDirectory() as folder:
        try:
            report = train(build_config({**settings, "method": "recorrupted2recorrupted"}), Path(folder, "run"))
        except UnfitNoiseError:  # the run has said what noise it found
            logger.info("pixels are compared with neighbours: recorrupted pairs want independent noise of one level")
            report = train(build_config({**settings, **NEIGHBORS}), Path(folder, "run"))
        _say(report, Path(folder, "run", TEACHER).exists())
        return load_denoiser(report["denoiser"])


def _fitting(images: Sequence[str | Path], channels: int, side: int) -> list[str]:
    """The files whose first image has so many channels and is large enough.

    Raises:
        RunError: there is none.
    """
    fitting = []
    for path in map(str, images):
        with contextlib.suppress(UnusableImageError, OSError, IndexError):  # denoising tells of it
            first = readers.pages(path)[0]
            if first.colors == channels and min(first.height, first.width) >= side:
                fitting.append(path)
    if not fitting:
        raise RunError(f"none of {len(images)} images has {channels} channels and sides from {side} pixels")
    return fitting


def _say(report: Mapping[str, Any], staged: bool) -> None:
    """What was gained, by what chose; of two stages the second's scores are of what the first taught."""
    before, after = report.get("start", {}), report["scores"]
    if staged:
        logger.info("adapted in two stages; what is gained where neighbours share noise cannot be told")
    elif report.get("kept_start"):
        logger.info("no better than the start, which is kept")
    elif COST in before:
        told = (-10 * math.log10(max(each[COST], LEAST)) for each in (before, after))
        logger.info("adapted: estimated PSNR of the mean error %.2f dB before, %.2f after", *told)
    elif RECONSTRUCTION in before:
        logger.info("adapted: reconstruction %.4g before, %.4g after", before[RECONSTRUCTION], after[RECONSTRUCTION])
