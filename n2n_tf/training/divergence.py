"""Stop a run that has diverged."""

import math
from collections.abc import Mapping

import keras

from n2n_tf.config import RunError


class DivergedError(RunError):
    """Losses or weights that are no numbers."""


class StopAtNaN(keras.callbacks.Callback):
    """Raises `DivergedError` at the first step whose loss is not finite, with the step and the values."""

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        logs = logs or {}
        if not math.isfinite(float(logs.get("loss", 0.0))):
            values = ", ".join(f"{name} {float(value):g}" for name, value in logs.items())
            raise DivergedError(
                f"training diverged at step {self.model.optimizer.iterations.numpy()}: {values}. "
                "Start a new run with a lower `learning_rate`, or check the images' values"
            )
