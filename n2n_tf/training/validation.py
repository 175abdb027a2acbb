"""Held-out images: after each epoch, how good is the denoiser?"""

import functools
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.config import Config
from n2n_tf.data.pipeline import held_out_pair
from n2n_tf.data.seeds import HELD_OUT, derive
from n2n_tf.data.source import HeldOutSource
from n2n_tf.evaluation.metrics import psnr
from n2n_tf.evaluation.pictures import developed, side_by_side
from n2n_tf.files import write
from n2n_tf.inference import Denoiser
from n2n_tf.noise import Noise
from n2n_tf.sampling import draw_choice, sub_sample
from n2n_tf.training.average import AverageWeights
from n2n_tf.training.rundir import RunDirectory
from n2n_tf.value_range import UNIT


class Validation(keras.callbacks.Callback):
    """Adds val_psnr (clean images known) or val_reconstruction to the epoch's logs, and keeps the best denoiser.

    Works on a copy of the network, outside any distribution strategy, one image at a time, so that training weights,
    strategies and image sizes do not matter.

    Args:
        denoiser: network of the training network's architecture; receives its weights.
        weights: where they come from.
        images, noise, config: the held-out images.
        directory: gets denoiser.keras (best so far), samples/ and TensorBoard pictures.
    """

    def __init__(
        self,
        denoiser: keras.Model,
        weights: AverageWeights,
        images: HeldOutSource,
        noise: Noise | None,
        config: Config,
        directory: RunDirectory,
    ):
        super().__init__()
        self.use(denoiser)
        self.weights = weights
        self.images, self.noise, self.config = images, noise, config
        self.directory = directory
        self.monitor = "val_psnr" if noise or images.paired else "val_reconstruction"
        self.best = tf.Variable(np.inf, dtype=tf.float64, trainable=False)  # lower is better

    def use(self, denoiser: keras.Model) -> None:
        """Score this network from now on."""
        self.denoiser, self.denoise = denoiser, Denoiser(denoiser, value_range=UNIT)

    @functools.cached_property
    def _writer(self) -> tf.summary.SummaryWriter:
        return tf.summary.create_file_writer(str(self.directory.tensorboard / "pictures"))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.weights.copy_to(self.denoiser)
        value = self.scores()[self.monitor.removeprefix("val_")]
        if logs is not None:
            logs[self.monitor] = value
        images = self.save_picture(self.directory.samples / f"epoch_{epoch + 1:03d}.png")
        with self._writer.as_default(step=epoch):
            for name, image in images.items():
                tf.summary.image(name, np.clip(image, 0, 1)[None])
            self._writer.flush()
        cost = -value if self.monitor == "val_psnr" else value
        if cost < self.best.numpy():
            self.directory.save_denoiser(self.denoiser, self.images.value_range)
            self.best.assign(cost)

    def scores(self) -> dict[str, float]:
        """Means over the held-out images: psnr and noisy_psnr in dB, or reconstruction where no clean is known."""
        each = [self._scores_of(index) for index in range(len(self.images))]
        return {name: float(np.mean([scores[name] for scores in each])) for name in each[0]}

    def save_picture(self, path: Path) -> dict[str, np.ndarray]:
        """Write the first held-out image as noisy | denoised | clean; return what is shown (no clean if not known)."""
        noisy, clean = self._pair(0)
        images = {"noisy": noisy, "denoised": self.denoise(noisy)}
        if clean is not None:
            images["clean"] = clean
        images = developed(images, self.config.image_kind)
        write(path, lambda temporary: side_by_side(images).save(temporary, "PNG"))
        return images

    def _scores_of(self, index: int) -> dict[str, float]:
        noisy, clean = self._pair(index)
        if clean is not None:
            denoised, shown = np.clip(self.denoise(noisy), 0, 1), np.clip(clean, 0, 1)  # clean: beyond a value range
            return {"psnr": psnr(denoised, shown), "noisy_psnr": psnr(noisy, clean)}
        choice = draw_choice((1, *noisy.shape), derive(self.config.seed, HELD_OUT, index))
        sub1, sub2 = (sub[0].numpy() for sub in sub_sample(tf.constant(noisy[None]), choice))
        return {"reconstruction": float(np.mean(np.square(self.denoise(sub1) - sub2)))}

    def _pair(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        noisy, clean = held_out_pair(self.images, index, self.noise, self.config)
        return noisy.numpy(), None if clean is None else clean.numpy()
