"""Work in a process of its own, so that the window stays alive: its progress, its words, its end."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

import n2n_tf
from n2n_tf.config import UsageError
from n2n_tf.data.planes import Planes

PAUSE = 0.1  # seconds between two looks at whether napari is closing
ENDS = ("done", "stopped", "failed")


class Process:
    """The worker; started with the first task, and again if it has ended. It ends when napari does."""

    _one: ClassVar["Process | None"] = None

    def __init__(self) -> None:
        self.line, theirs = multiprocessing.Pipe()
        paths = [str(Path(n2n_tf.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "n2n_tf.napari.worker", str(theirs.fileno())],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip
        theirs.close()

    @classmethod
    def at_work(cls) -> "Process":
        """The living one."""
        if cls._one is None or cls._one.line.closed or cls._one._process.poll() is not None:
            cls._one = cls()
        return cls._one

    def fate(self) -> str:
        """How it ended."""
        code = self._process.wait(10)
        if code < 0:
            with contextlib.suppress(ValueError):
                why = ": memory ran out?" if -code == signal.SIGKILL else ""
                return f"its process was ended by {signal.Signals(-code).name}{why}"
        return f"its process ended with status {code}; napari's terminal says why"


class Job(QObject):
    """A task of the worker, one at a time: what two would need of memory and processors, one has.

    Args:
        doing: in words, "denoising".
        planes: of the layer, which the worker asks for.
        task: its name in `work`, `do`, and what that takes.
        heard: called in the window's thread with what the worker tells, kind and arguments.
        target: where denoised planes go.
    """

    running: ClassVar["Job | None"] = None
    came = Signal(object)

    def __init__(
        self, doing: str, planes: Planes, task: dict[str, Any], heard: Callable[..., None],
        target: np.ndarray | None = None,
    ):  # fmt: skip
        super().__init__()
        self.doing, self._planes, self._task, self._heard, self._target = doing, planes, task, heard, target
        self._line: Connection | None = None
        self._told, self._watched, self._speak = False, True, threading.Lock()
        self.came.connect(self._hear)  # queued: this object lives in the window's thread

    def start(self) -> None:
        """Begin.

        Raises:
            UsageError: another one is at work.
        """
        if Job.running:
            raise UsageError(f"n2n_tf is {Job.running.doing}: wait for its end, or stop it")
        Job.running = self
        self._worker = create_worker(self._run)
        self._worker.start()

    def stop(self) -> None:
        """Ask the work to end."""
        self._told = True
        self._say("stop", None)

    def look(self, number: int) -> None:
        """Tell which plane is shown."""
        self._say("look", number)

    def forget(self) -> None:
        """Stop, and call nobody any more."""
        self._watched = False
        self.stop()

    def _say(self, kind: str, given: Any) -> None:
        with self._speak, contextlib.suppress(OSError):
            if self._line:
                self._line.send((kind, given))

    def _run(self) -> None:
        """In a thread: answer the worker, and pass on what it says, until it has ended or napari closes."""
        end: tuple[Any, ...] = ("failed", "an error of n2n_tf's, see napari's message")
        try:
            process = Process.at_work()
            line = process.line
            array = self._planes.array
            shape = tuple(map(int, array.shape)), self._planes.dtype.str, self._planes.channels, self._planes.colors
            line.send(("task", {**self._task, "array": shape}))
            self._line = line
            if self._told:
                self.stop()
            try:
                end = self._until_the_end(line)
            except (EOFError, OSError):
                end = ("failed", process.fate())
        finally:
            self._line = None
            self.came.emit(end)

    def _until_the_end(self, line: Connection) -> tuple[Any, ...]:
        while True:
            if self._worker.abort_requested or not self._watched:  # napari or the panel closes
                self._watched = False  # and the worker keeps what it reached, and ends
                line.close()
                return ("stopped",)
            if not line.poll(PAUSE):
                continue
            kind, *given = line.recv()
            if kind == "read":
                self._say("answer", self._part(*given))
            elif kind == "plane" and self._target is not None:
                self._planes.write(self._target, *given)
            elif kind in ENDS:
                return (kind, *given)
            else:
                self.came.emit((kind, *given))

    def _part(self, place: tuple[Any, ...]) -> "np.ndarray | str":
        """Of the layer's array; in words why it cannot be read."""
        try:
            return np.ascontiguousarray(self._planes.array[place])
        except Exception as error:  # whatever a graph of dask's, a store or a network raises
            return f"the layer cannot be read: {type(error).__name__}: {error}"

    def _hear(self, message: tuple[Any, ...]) -> None:
        if message[0] in ENDS:
            Job.running = None
        if self._watched:
            self._heard(*message)
