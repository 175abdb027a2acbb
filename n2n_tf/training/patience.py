"""End a run before its last step: its denoiser gets no better, or its time is up."""

import logging
import time
from typing import Any

import keras
import tensorflow as tf

from n2n_tf.training.validation import Best
from n2n_tf.training.workers import Workers

logger = logging.getLogger(__name__)


class Ending(keras.callbacks.Callback):
    """Ends a run with the epoch in which something is used up. Workers end together."""

    why = ""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.spent:
            logger.info("ended after epoch %d: %s", epoch + 1, self.why)
            self.model.stop_training = True

    @property
    def spent(self) -> bool:
        """Whether there is none left."""
        raise NotImplementedError


class Patience(Ending):
    """After so many epochs without a better denoiser; 0 never does.

    Args:
        epochs: to wait for a better one.
        best: what knows since when there was none.
        workers: of the run; the chief alone scores.
    """

    def __init__(self, epochs: int, best: Best, workers: Workers):
        super().__init__()
        self.epochs, self.best, self.workers = epochs, best, workers
        self.why = f"none of the last {epochs} was better"

    @property
    def spent(self) -> bool:
        return bool(self.epochs) and self.workers.gather(int(self.best.since))[0] >= self.epochs  # the chief's


class TimeLimit(Ending):
    """After so many seconds; 0 never does.

    Args:
        seconds: of training, that of all starts; the first step of each, which makes the graph, is not counted.
        workers: of the run; the chief's clock counts.

    Attributes:
        used: part of a run's state.
    """

    def __init__(self, seconds: float, workers: Workers):
        super().__init__()
        self.seconds, self.workers = seconds, workers
        self.why = f"{seconds:g} seconds are over"
        self.used = tf.Variable(0.0, dtype=tf.float64, trainable=False)
        self.last: float | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.seconds:
            now = time.monotonic()
            self.used.assign_add(now - (self.last or now))
            self.last = now

    @property
    def spent(self) -> bool:
        return bool(self.seconds) and bool(self.workers.gather(int(self.used.numpy() >= self.seconds))[0])
