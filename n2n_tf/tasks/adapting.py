"""Train a denoiser a little further on the very images that it is to denoise."""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from n2n_tf.config.kinds import MOSAIC
from n2n_tf.inference import kind_of_network, load_denoiser, name_of, range_of
from n2n_tf.training.begin import train
from n2n_tf.training.presets import build_config
from n2n_tf.value_range import Told

logger = logging.getLogger(__name__)

SCORED = 2  # images, after each epoch
RECIPE: dict[str, Any] = {
    "patch_size": 128, "batch_size": 4, "epochs": 10**5, "steps_per_epoch": 25, "learning_rate": 1e-4,
    "learning_rate_schedule": "constant", "ema": 0.98, "gamma": 1.0, "gamma_schedule": "constant", "targets": 2,
    "checkpoint_steps": 10**6, "mixed_precision": "auto",
}  # fmt: skip


def adapt(
    model: str, images: Sequence[str], seconds: float, told: Told = None, channel: Sequence[str] = ()
) -> keras.Model:
    """A denoiser, trained on noisy images by the method's own loss, and never worse than it was.

    The best one so far is kept, by the PSNR that Stein's estimate tells where that is valid, else by the
    reconstruction. Assumes what training does: noise of zero mean, independent between pixels; where it is not,
    training on the images at length, `n2n-tf train`, takes care of it.

    Args:
        model: run directory, .keras file, or one that comes with the package; of one of our networks.
        images: files to train on; one is enough.
        seconds: of training, after about as many of getting ready.
        told: their value range, as `Denoiser` takes it; None: the model's own, or that of a training run.
        channel: of stacks with a channel axis, the planes of these alone.

    Raises:
        UsageError: settings that cannot be right, or the model is none of our networks.
        RunError: none of the images can be trained on.
    """
    network = load_denoiser(model)
    name, features = name_of(network)
    settings = {
        **RECIPE, "weights": model, "network": name, "features": features, "channels": network.input_shape[-1],
        "data": list(images), "val_data": list(images[:SCORED]), "noise": "none", "seconds": seconds,
    }  # fmt: skip
    limits = told or range_of(network)
    if kind_of_network(network) == MOSAIC:
        settings["kind"] = MOSAIC
    elif limits:
        settings["range"] = [limits] if isinstance(limits, str) else list(limits)
    if channel:
        settings["channel"] = list(channel)
    with tempfile.TemporaryDirectory() as folder:
        report = train(build_config(settings), Path(folder, "run"))
        return load_denoiser(report["denoiser"])
