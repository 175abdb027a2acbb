"""How many requests are in the server, and how many of them are worked on."""

import contextlib
import math
import threading
from collections.abc import Callable, Iterator

from grpc import StatusCode

from n2n_tf.serving.failure import Failure


class Gate:
    """Places for requests, fewer slots for the work.

    Args:
        slots: requests worked on at the same time.
        queue: further ones that may wait.
        seconds: how long one may wait for a slot.
    """

    def __init__(self, slots: int, queue: int, seconds: float):
        self.places = slots + queue
        self._places, self._slots = threading.Semaphore(self.places), threading.Semaphore(slots)
        self._seconds = seconds
        self.closed = False

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Be in the server.

        Raises:
            Failure: it is full, or about to stop.
        """
        if self.closed:
            raise Failure(StatusCode.UNAVAILABLE, "the server is stopping")
        if not self._places.acquire(blocking=False):
            raise Failure(
                StatusCode.RESOURCE_EXHAUSTED, f"{self.places} requests are in the server; try again in a while"
            )
        try:
            yield
        finally:
            self._places.release()

    @contextlib.contextmanager
    def slot(self, is_wanted: Callable[[], bool], seconds: float = math.inf) -> Iterator[None]:
        """Wait for one's turn.

        Args:
            is_wanted: whether the client is still there, asked when the turn has come.
            seconds: that the client waits, if it says so.

        Raises:
            Failure: it waited too long, or the client is gone.
        """
        if not self._slots.acquire(timeout=max(0.0, min(self._seconds, seconds))):
            raise Failure(StatusCode.DEADLINE_EXCEEDED, "waited too long for the requests before it")
        try:
            if not is_wanted():
                raise Failure(StatusCode.CANCELLED, "the client is gone")
            yield
        finally:
            self._slots.release()
