"""The progress bar that every command shows."""

from datetime import timedelta
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class ProgressLine:
    """A bar with the time elapsed and left. On a terminal it moves; in a log file only what is `say` shows.

    Args:
        what: is being done.
        total: amount of work, in any unit.
        done: of it, before.
        amount: column that shows the amount; by default in percent.
        quiet: show nothing.
    """

    def __init__(
        self, what: str, total: float, done: int = 0, amount: ProgressColumn | None = None, quiet: bool = False
    ):
        console = Console(highlight=False, quiet=quiet)
        columns = (TextColumn("{task.description}"), BarColumn(), amount or TaskProgressColumn())
        times = (TimeElapsedColumn(), TextColumn("elapsed, left"), TimeRemainingColumn())
        self._progress = Progress(
            *columns, *times, console=console, disable=not console.is_terminal, speed_estimate_period=3600
        )
        self._task = self._progress.add_task(what, total=total, completed=done)

    def __enter__(self) -> "ProgressLine":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advance(self, amount: float = 1) -> None:
        """So much more is done."""
        self._progress.advance(self._task, amount)

    def say(self, text: str) -> None:
        """A line above the bar, with the times."""
        task = self._progress.tasks[self._task]
        elapsed, left = (
            None if time is None else timedelta(seconds=round(time)) for time in (task.elapsed, task.time_remaining)
        )
        times = f"{elapsed} elapsed" + ("" if left is None else f", {left} left")
        self._progress.console.print(f"{text}  {times}", soft_wrap=True, markup=False)
