"""SIGTERM, as clusters send it before they take a machine away: finish the step, save, stop."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

import keras

from n2n_tf.config import StoppedError
from n2n_tf.training.checkpoints import Checkpoints
from n2n_tf.training.workers import Workers

EVERY = 10  # steps, after which several workers ask each other


class StopAtSigterm(keras.callbacks.Callback):
    """To be used in a `with` statement, and as the last callback. Raises `StoppedError` when the state is saved.

    Python lets only the main thread take signals; elsewhere SIGTERM does what it did before. Of several workers one
    that gets it is enough: all stop after the same step.

    Args:
        checkpoints: what saves.
        workers: of the run.
    """

    def __init__(self, checkpoints: Checkpoints, workers: Workers):
        super().__init__()
        self._checkpoints = checkpoints
        self._workers = workers
        self._came = False
        self._before: Any = None

    def __enter__(self) -> "StopAtSigterm":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
        if self._came and kind is None:  # too late for a step, not for what would follow this run
            raise StoppedError("stopped by SIGTERM at the end of the run, which is saved")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        due = self._workers.count == 1 or int(self._checkpoints.step) % EVERY == 0
        due = due and not self._checkpoints.at_epochs_end  # there it comes with the epoch's scores
        if due and self._came_to_any():
            self._checkpoints.save()
            self._stop()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self._came_to_any():
            self._stop()

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._came = True

    def _came_to_any(self) -> bool:
        return any(self._workers.gather(self._came))

    def _stop(self) -> None:
        self._workers.wait()  # the chief is still saving
        raise StoppedError(f"stopped by SIGTERM after step {int(self._checkpoints.step)}, which is saved")
