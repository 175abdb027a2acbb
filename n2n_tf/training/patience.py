"""Stop a run whose denoiser gets no better."""

import logging
from typing import Any

import keras

from n2n_tf.training.validation import Best
from n2n_tf.training.workers import Workers

logger = logging.getLogger(__name__)


class Patience(keras.callbacks.Callback):
    """Ends a run after so many epochs without a better denoiser; 0 never does. Workers end together.

    Args:
        epochs: to wait for a better one.
        best: what knows since when there was none.
        workers: of the run; the chief alone scores.
    """

    def __init__(self, epochs: int, best: Best, workers: Workers):
        super().__init__()
        self.epochs, self.best, self.workers = epochs, best, workers

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.spent:
            logger.info("ended after epoch %d: none of the last %d was better", epoch + 1, self.epochs)
            self.model.stop_training = True

    @property
    def spent(self) -> bool:
        """Whether there is none left."""
        return bool(self.epochs) and self.workers.gather(int(self.best.since))[0] >= self.epochs  # the chief's
