"""A noisy image to show, and to test, what a denoiser does."""

import logging
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from n2n_tf.config import RunError, UsageError, gist
from n2n_tf.config.kinds import MOSAIC
from n2n_tf.data.pipeline import held_out_pair
from n2n_tf.data.samples import HELD_OUT, sample_paths
from n2n_tf.inference import kind_of_network
from n2n_tf.training.rundir import RunDirectory
from n2n_tf.weights import SHIPPED

logger = logging.getLogger(__name__)

SIGMA = 25 / 255  # of the photograph's noise


def noisy_example(model: str | Path, network: keras.Model) -> tuple[np.ndarray, str]:
    """The first image that a run was scored on; where it is gone, or there was none, a sample photograph with noise.

    Args:
        model: run directory, .keras file or a denoiser's name.
        network: the denoiser.

    Returns:
        float32 [H, W, C], the value range at 0 to 1; and what it is, in words.
    """
    directory = RunDirectory(model)
    if directory.begun and str(model) not in SHIPPED:
        try:
            return _held_out(directory), "the first image that its run was scored on"
        except (RunError, UsageError, OSError) as error:
            logger.warning("a sample photograph stands for the run's images, which cannot be read: %s", gist(error))
    return _photograph(kind_of_network(network), network.input_shape[-1]), (
        "a sample photograph of scikit-image with Gaussian noise, σ 25 of 255"
    )


def _held_out(directory: RunDirectory) -> np.ndarray:
    config = directory.settings()
    _, images = directory.open(config.images.channels, {})
    noisy, _ = held_out_pair(images, 0, config.noise.build(), config.run.seed)
    return noisy.numpy()


def _photograph(kind: str, channels: int) -> np.ndarray:
    """A photograph of any number of channels, each with noise of its own."""
    colours = 3 if channels == 3 or kind == MOSAIC else 1
    photo = np.atleast_3d(np.asarray(Image.open(sample_paths(HELD_OUT, colours)[0])))
    planes = [0, 1, 1, 2] if kind == MOSAIC else [channel % colours for channel in range(channels)]
    clean = photo[..., planes] / np.float32(255)
    return (clean + np.random.default_rng(0).normal(0, SIGMA, clean.shape)).astype(np.float32)


def fitted(image: np.ndarray, side: int) -> np.ndarray:
    """The middle of an image [H, W, C], side × side; mirrored at its edges where it is smaller."""
    more = [(max(0, side - length) // 2, max(0, side - length + 1) // 2) for length in image.shape[:2]]
    image = np.pad(image, [*more, (0, 0)], "symmetric")
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]
