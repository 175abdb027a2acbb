"""Neighbor2Neighbor in TensorFlow and Keras: train a denoiser from noisy images alone.

Public names:
    networks            denoising networks, `networks.unet(channels=3)`
    Neighbor2Neighbor   the training method, a keras.Model around any network
    GammaRamp           the regularizer's schedule
    denoise, Denoiser   numpy in, numpy out, once and repeatedly
    load_denoiser       a trained network, from a run directory or a .keras file, or one that comes with the package
    Baseline            a denoiser that needs no training, by name: bm3d, nlm, dip, …
    adapt               a denoiser trained further on the images that it is for
    denoise_files       image files in, image files out
    evaluate            PSNR and SSIM on test sets
    inspect             what noise is in images, does the method fit, what to do next
    ValueRange          the intensities that count as 0 and 1
    Config, build_config, train, resume   what the command line does
"""

import importlib
import os
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # before Keras reads ~/.keras/keras.json

__version__ = "0.1.0"

_HOMES = {
    "networks": "n2n_tf.networks",
    "Neighbor2Neighbor": "n2n_tf.methods",
    "GammaRamp": "n2n_tf.methods",
    "denoise": "n2n_tf.inference",
    "Denoiser": "n2n_tf.inference",
    "load_denoiser": "n2n_tf.weights",
    "Baseline": "n2n_tf.baselines.denoiser",
    "ValueRange": "n2n_tf.value_range",
    "adapt": "n2n_tf.tasks.adapting",
    "denoise_files": "n2n_tf.tasks.denoise_files",
    "evaluate": "n2n_tf.tasks.evaluate",
    "inspect": "n2n_tf.tasks.inspect",
    "Config": "n2n_tf.training.config",
    "build_config": "n2n_tf.training.presets",
    "train": "n2n_tf.training.begin",
    "resume": "n2n_tf.training.begin",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Import on first use: the command line checks its flags before TensorFlow is loaded."""
    if name not in _HOMES:
        raise AttributeError(f"module 'n2n_tf' has no attribute {name!r}")
    module = importlib.import_module(_HOMES[name])
    return module if module.__name__ == f"n2n_tf.{name}" else getattr(module, name)
