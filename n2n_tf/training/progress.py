"""One bar for the whole run, with the time left; one line for each epoch."""

import time
from typing import Any

import keras
from rich.progress import MofNCompleteColumn

from n2n_tf.progress import ProgressLine


class ProgressBar(keras.callbacks.Callback):
    """Shows steps done, elapsed time and time left. On a terminal the bar moves; in a log file only epochs show.

    Args:
        first_step: steps done before, by a run that is resumed.
        steps: of the whole run.
        epochs: of the whole run.
        seconds: that it may take, and that are shown then; 0: no limit.
    """

    def __init__(self, first_step: int, steps: int, epochs: int, seconds: float = 0):
        super().__init__()
        self.of = "" if seconds else f"/{epochs}"
        self.seconds, self.last = seconds, 0.0
        if seconds:
            self._line = ProgressLine("training", seconds)
        else:
            self._line = ProgressLine("training", steps, first_step, MofNCompleteColumn())

    def __enter__(self) -> "ProgressBar":
        self._line.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._line.__exit__(*exception)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.monotonic()
        self._line.advance(now - (self.last or now) if self.seconds else 1)  # without making the graph
        self.last = now

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        values = "  ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
        self._line.say(f"epoch {epoch + 1}{self.of}  {values}")
