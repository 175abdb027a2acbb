"""The progress bar that every command shows."""

from datetime import timedelta
from types import TracebackType
from typing import ClassVar

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

    One that is made while another is shown, for a part of its work, stands below it until that part is done.

    Args:
        what: is being done.
        total: amount of work, in any unit.
        done: of it, before.
        amount: column that shows the amount; by default in percent.
        quiet: show nothing.
    """

    _shown: ClassVar["ProgressLine | None"] = None  # the outermost

    def __init__(
        self, what: str, total: float, done: int = 0, amount: ProgressColumn | None = None, quiet: bool = False
    ):
        self._progress: Progress = self._shown._progress if self._shown else self._bars(amount, quiet)
        self._task = self._progress.add_task(what, total=total, completed=done)

    @staticmethod
    def _bars(amount: ProgressColumn | None, quiet: bool) -> Progress:
        console = Console(highlight=False, quiet=quiet)
        columns = (TextColumn("{task.description}"), BarColumn(), amount or TaskProgressColumn())
        times = (TimeElapsedColumn(), TextColumn("elapsed, left"), TimeRemainingColumn())
        return Progress(*columns, *times, console=console, disable=not console.is_terminal, speed_estimate_period=3600)

    def __enter__(self) -> "ProgressLine":
        if ProgressLine._shown is None:
            ProgressLine._shown = self
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if ProgressLine._shown is self:
            ProgressLine._shown = None
            if not self._progress.disable:  # Rich 13 ends with an empty line all the same
                self._progress.stop()
        else:
            self._progress.remove_task(self._task)

    def advance(self, amount: float = 1) -> None:
        """So much more is done."""
        self._progress.advance(self._task, amount)

    def say(self, text: str) -> None:
        """A line above the bar, with the times."""
        task = next(each for each in self._progress.tasks if each.id == self._task)
        elapsed, left = (
            None if time is None else timedelta(seconds=round(time)) for time in (task.elapsed, task.time_remaining)
        )
        times = f"{elapsed} elapsed" + ("" if left is None else f", {left} left")
        self._progress.console.print(f"{text}  {times}", soft_wrap=True, markup=False)
