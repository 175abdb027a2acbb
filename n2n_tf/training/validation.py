"""After each epoch: score the denoiser, show it, and keep the best."""

import functools
import logging
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.evaluation.pictures import developed, side_by_side
from n2n_tf.files import write
from n2n_tf.training.average import AverageWeights
from n2n_tf.training.rundir import RunDirectory
from n2n_tf.training.scorer import Scorer

logger = logging.getLogger(__name__)


class Validation(keras.callbacks.Callback):
    """Adds val_psnr (clean images known), or val_estimated_psnr and val_reconstruction, to the epoch's logs.

    Args:
        scorer: of a copy of the network, so that training weights, strategies and image sizes do not matter.
        weights: what the copy receives.
        pictures, best: what is done with the scored denoiser.
    """

    def __init__(self, scorer: Scorer, weights: AverageWeights, pictures: "Pictures", best: "Best"):
        super().__init__()
        self.scorer, self.weights, self.pictures, self.best = scorer, weights, pictures, best
        self._warned = False

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.weights.copy_to(self.scorer.denoiser)
        scores = self.scorer.scores()
        if logs is not None:
            logs.update({f"val_{name}": scores[name] for name in self.scorer.shown})
        self.pictures.of_epoch(epoch, self.scorer.first())
        self._warn_if_lost(epoch, scores)
        self.best.offer(self.scorer, self.scorer.cost(scores))

    def _warn_if_lost(self, epoch: int, scores: dict[str, float]) -> None:
        """Once: numbers go on where the picture is lost, and nothing else tells."""
        if self._warned or not self.scorer.lost(scores, float(self.best.cost.numpy())):
            return
        self._warned, name = True, self.scorer.monitored
        clip = "" if self.model.clipping else ", or with `clip_gradients` 1,"
        logger.warning(
            "epoch %d: the denoiser has lost the picture (val_%s %.4g): training has probably diverged. The best one "
            "so far is kept; a run with a lower `learning_rate`%s may give a better one",
            epoch + 1, name, scores[name], clip,
        )  # fmt: skip


class Pictures:
    """The first held-out image before and after, in samples/ and on TensorBoard; and words there."""

    def __init__(self, directory: RunDirectory, kind: str):
        self.directory, self.kind = directory, kind

    def of_epoch(self, epoch: int, images: Mapping[str, np.ndarray]) -> None:
        """Both, after an epoch."""
        shown = self.save(self.directory.samples / f"epoch_{epoch + 1:03d}.png", images)
        with self._board.as_default(step=epoch):
            for name, image in shown.items():
                tf.summary.image(name, np.clip(image, 0, 1)[None])
            self._board.flush()

    def tell(self, name: str, text: str) -> None:
        """A text of fixed width, before the first epoch."""
        with self._board.as_default(step=0):
            tf.summary.text(name, "\n".join(f"    {line}" for line in text.splitlines()))
            self._board.flush()

    def save(self, path: Path, images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Write noisy | denoised | clean; return what is shown."""
        shown = developed(dict(images), self.kind)
        write(path, lambda temporary: side_by_side(shown).save(temporary, "PNG"))
        return shown

    @functools.cached_property
    def _board(self) -> tf.summary.SummaryWriter:
        return tf.summary.create_file_writer(str(self.directory.tensorboard / "pictures"))


class Best:
    """denoiser.keras: the best so far; and since how many epochs it is."""

    def __init__(self, directory: RunDirectory):
        self.directory = directory
        self.cost = tf.Variable(np.inf, dtype=tf.float64, trainable=False)  # part of a run's state
        self.since = tf.Variable(0, dtype=tf.int64, trainable=False)

    def offer(self, scorer: Scorer, cost: float) -> None:
        """Save what is better than all before."""
        self.since.assign_add(1)
        if cost < self.cost.numpy():
            self.directory.save_denoiser(scorer.denoiser, scorer.images.value_range)
            self.cost.assign(cost)
            self.since.assign(0)
