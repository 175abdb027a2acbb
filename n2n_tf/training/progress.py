"""One bar for the whole run, with the time left; one line for each epoch."""

from datetime import timedelta
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class ProgressBar(keras.callbacks.Callback):
    """Shows steps done, elapsed time and time left. On a terminal the bar moves; in a log file only epochs show.

    Args:
        first_step: steps done before, by a run that is resumed.
        steps: of the whole run.
        epochs: of the whole run.
    """

    def __init__(self, first_step: int, steps: int, epochs: int):
        super().__init__()
        self.epochs = epochs
        console = Console(highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"))
        times = (TimeElapsedColumn(), TextColumn("elapsed, left"), TimeRemainingColumn())
        self._progress = Progress(*columns, *times, console=console, disable=not console.is_terminal)
        self._task = self._progress.add_task("training", total=steps, completed=first_step)

    def __enter__(self) -> "ProgressBar":
        self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._progress.stop()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._progress.advance(self._task)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        values = "  ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
        task = self._progress.tasks[self._task]
        elapsed, left = (timedelta(seconds=round(time or 0)) for time in (task.elapsed, task.time_remaining))
        text = f"epoch {epoch + 1}/{self.epochs}  {values}  {elapsed} elapsed, {left} left"
        self._progress.console.print(text, soft_wrap=True)
