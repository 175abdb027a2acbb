"""The whole state of a run, saved as it goes and found again after it was stopped."""

import logging
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from n2n_tf.config import RunError, gist
from n2n_tf.training.divergence import DivergedError
from n2n_tf.training.records import undamaged

logger = logging.getLogger(__name__)


class Checkpoints(keras.callbacks.Callback):
    """Saves at the start, every `every` steps and at each epoch's end; keeps the last three.

    A resumed run restores the newest checkpoint that can be read. Because all random numbers are stateless, it then
    ends with the weights of an uninterrupted run. Weights that are no numbers are not saved.

    Args:
        folder: of the checkpoints.
        every: steps between two.
        steps_per_epoch: to number the steps of a run.
        writes: False where another worker does; steps are counted all the same.
        state: what is saved, by name: anything `tf.train.Checkpoint` takes, all variables built.
    """

    def __init__(self, folder: Path, every: int, steps_per_epoch: int, writes: bool = True, **state: Any):
        super().__init__()
        self._folder = folder
        self._writes = writes
        self.every = every
        self.steps_per_epoch = steps_per_epoch
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)  # steps done
        self._checkpoint = tf.train.Checkpoint(step=self.step, **state)
        self._saves = self._checkpoint.save_counter  # made here: not in mid-run by the chief alone
        with undamaged(folder / "checkpoint"):  # TensorFlow's list
            self._manager = tf.train.CheckpointManager(self._checkpoint, str(folder), 3, checkpoint_name="step")
        self._epoch_start = 0

    def restore(self) -> int:
        """Restore the newest readable checkpoint; return the number of steps done.

        A kill can leave the newest one half-written. Where that is the first, of step 0, the initial state serves.

        Raises:
            RunError: there are later checkpoints, and not one can be read.
        """
        # by file, not by TensorFlow's list of them: a kill can come between the two
        steps = (index.stem.removeprefix("step-") for index in self._folder.glob("step-*.index"))
        found = sorted(int(step) for step in steps if step.isdecimal())  # no copies, whatever they are called
        for path in (str(self._folder / f"step-{step}") for step in reversed(found)):
            try:
                self._checkpoint.restore(path).assert_consumed()
                return int(self.step.numpy())
            except Exception as error:  # a damaged file raises DataLossError, IndexError and others
                logger.warning("checkpoint %s cannot be read (%s); trying the one before", path, error)
        if any(found):
            raise RunError(f"no checkpoint in {self._folder} can be read; start a new run")
        return 0

    def start_at(self, step: int) -> None:
        """Number the coming steps from `step`: `fit` counts from 0."""
        self._epoch_start = step

    def on_train_begin(self, logs: Any = None) -> None:
        if not self._manager.checkpoints:
            self.save()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.step.assign(self._epoch_start + batch + 1)
        if int(self.step) % self.every == 0 and not self.at_epochs_end:
            self.save()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.save()
        self._epoch_start = (epoch + 1) * self.steps_per_epoch

    @property
    def at_epochs_end(self) -> bool:
        """Whether the last step was that of an epoch."""
        return int(self.step) % self.steps_per_epoch == 0

    def save(self) -> None:
        """Save the state after the last step.

        Raises:
            RunError: it is not finite, or cannot be written.
        """
        if not all(tf.reduce_all(tf.math.is_finite(weight)) for weight in self.model.network.trainable_variables):
            raise DivergedError(
                f"training diverged at step {int(self.step)}: weights that are not finite, which are not saved. "
                "Start a new run with a lower `learning_rate`, or check the images' values"
            )
        if not self._writes:
            return
        if not self._folder.parent.is_dir():  # TensorFlow would make it again
            raise RunError(f"the run directory {self._folder.parent} has gone")
        try:
            self._manager.save(checkpoint_number=int(self.step))
        except tf.errors.OpError as error:  # Keras takes some of them for the end of the data
            raise RunError(f"step {int(self.step)} cannot be saved in {self._folder}: {gist(error)}") from error
