"""The worker's end of the line to napari: arrays are read over it, results and words go back."""

import threading
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import numpy as np

from n2n_tf.config import StoppedError


class Link:
    """One for the life of the worker.

    Args:
        line: to the other end.

    Attributes:
        number: of the plane that is shown, to whoever wants to show it.
    """

    number = 0

    def __init__(self, line: Connection):
        self._line, self._stop, self._gone = line, threading.Event(), threading.Event()
        self._tasks: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._turn, self._speak = threading.Lock(), threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def task(self) -> dict[str, Any] | None:
        """What to do next; None when napari has gone."""
        return self._tasks.get()

    def tell(self, kind: str, *given: Any) -> None:
        """Say something; nothing where nobody listens any more, who has then said stop."""
        with self._speak:
            try:
                self._line.send((kind, *given))
            except OSError:
                self._stop.set()

    def read(self, place: tuple[Any, ...]) -> np.ndarray:
        """A part of the layer's array.

        Raises:
            StoppedError: napari has gone.
            OSError: it cannot be read.
        """
        with self._turn:  # answers come in the order of the questions
            self.tell("read", place)
            answer = self._answers.get()
        if answer is None:
            self._answers.put(None)  # for whoever asks next
            raise StoppedError("napari has gone")
        if isinstance(answer, str):
            raise OSError(answer)
        return answer

    @property
    def gone(self) -> bool:
        """Whether napari has gone."""
        return self._gone.is_set()

    @property
    def stopped(self) -> bool:
        """Whether the task is to end."""
        return self._stop.is_set()

    def check(self) -> None:
        """Raise StoppedError if the task is to end."""
        if self.stopped:
            raise StoppedError("stopped")

    def _listen(self) -> None:
        """In a thread: tasks, answers, and what may come at any time."""
        while True:
            try:
                kind, given = self._line.recv()
            except (EOFError, OSError):
                self._gone.set()
                self._stop.set()
                self._answers.put(None)
                self._tasks.put(None)
                return
            if kind == "task":
                self._stop.clear()
                self._tasks.put(given)
            elif kind == "answer":
                self._answers.put(given)
            elif kind == "look":
                self.number = given
            else:
                self._stop.set()


class Remote:
    """An array in napari's process, of which only what is asked for comes over."""

    def __init__(self, link: Link, shape: tuple[int, ...], dtype: str):
        self._link, self.shape, self.dtype = link, shape, np.dtype(dtype)

    def __getitem__(self, place: tuple[Any, ...]) -> np.ndarray:
        return self._link.read(place)
