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
from typing import TYPE_CHECKING, Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # before Keras reads ~/.keras/keras.json

__version__ = "0.1.0"

if TYPE_CHECKING:  # the same as `_HOMES`
    from n2n_tf import networks as networks
    from n2n_tf.baselines.denoiser import Baseline as Baseline
    from n2n_tf.inference.denoiser import Denoiser as Denoiser
    from n2n_tf.inference.denoiser import denoise as denoise
    from n2n_tf.methods.gamma import GammaRamp as GammaRamp
    from n2n_tf.methods.neighbor2neighbor import Neighbor2Neighbor as Neighbor2Neighbor
    from n2n_tf.tasks.adapting import adapt as adapt
    from n2n_tf.tasks.denoise_files import denoise_files as denoise_files
    from n2n_tf.tasks.evaluate import evaluate as evaluate
    from n2n_tf.tasks.inspect import inspect as inspect
    from n2n_tf.training.begin import resume as resume
    from n2n_tf.training.begin import train as train
    from n2n_tf.training.config import Config as Config
    from n2n_tf.training.presets import build_config as build_config
    from n2n_tf.value_range import ValueRange as ValueRange
    from n2n_tf.weights.shipped import load_denoiser as load_denoiser

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

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import on first use: the command line checks its flags before TensorFlow is loaded."""
        if name not in _HOMES:
            raise AttributeError(f"module 'n2n_tf' has no attribute {name!r}")
        module = importlib.import_module(_HOMES[name])
        return module if module.__name__ == f"n2n_tf.{name}" else getattr(module, name)
