"""What a comparison costs on this machine, before anything is trained."""

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.config import named
from n2n_tf.evaluation.metrics import psnr, ssim
from n2n_tf.files import write_json
from n2n_tf.training.build import build_method
from n2n_tf.training.config import Config
from n2n_tf.training.costs import seconds_per_step
from n2n_tf.training.records import read_json

logger = logging.getLogger(__name__)

SIDE = 256  # of the image that scoring is timed on
NO_MATTER = ("data", "val_data", "target", "range", "epochs", "steps_per_epoch", "patience", "seconds", "seed",
             "checkpoint_steps", "clip_gradients")  # fmt: skip


def costs(configs: Mapping[str, Config], path: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of a training step, and of scoring a megapixel, by cell; measured once side by side, kept in a file.

    Cells that differ in their images, noise or length alone cost the same: one of them is measured.
    """
    settings = {name: _decisive(config.flat) for name, config in configs.items()}
    first = {text: name for name, text in reversed(settings.items())}
    known = read_json(path) if path.exists() else {}
    if known.get("settings") != settings or "scoring" not in known:
        chosen = {name: configs[name] for name in configs if first[settings[name]] == name}
        logger.info("timing the steps of %d runs, side by side; it may take minutes", len(chosen))
        steps = seconds_per_step(chosen)
        built = {name: build_method(config.candidates()[0], 1).denoiser() for name, config in chosen.items()}
        scoring = {name: seconds_per_megapixel(denoiser) for name, denoiser in built.items()}
        steps, scoring = ({name: of[first[settings[name]]] for name in configs} for of in (steps, scoring))
        known = {"seconds": steps, "scoring": scoring, "settings": settings}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, known)
    return known["seconds"], known["scoring"]


def seconds_per_megapixel(denoiser: keras.Model) -> float:
    """Of denoising and scoring an image, without what the first one takes."""
    image = np.random.default_rng(0).random((SIDE, SIDE, denoiser.input_shape[-1]), np.float32)
    batch = tf.constant(image[None])
    denoise = tf.function(denoiser).get_concrete_function(batch)
    denoise(batch)
    began = time.perf_counter()
    result = np.clip(denoise(batch)[0], 0, 1)
    psnr(result, image), ssim(result, image)
    return (time.perf_counter() - began) / (SIDE**2 / 1e6)


def _decisive(flat: Mapping[str, Any]) -> str:
    """The settings of a run that a step's time follows from."""
    of_noise = {name for name, each in named(Config).items() if each.chooser == "noise"}
    return json.dumps({name: value for name, value in flat.items()
                       if name not in NO_MATTER and name not in of_noise and name != "noise"})  # fmt: skip
