"""How many requests are on their way in, how many have arrived, and how many of those are worked on."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from grpc import StatusCode

from n2n_tf.serving.failure import Failure

T = TypeVar("T")
SPARE = 16  # more that may be arriving than have places: probes, and what comes where there is no queue


class Gate:
    """Bounds for requests of both APIs, all of which come to one event loop.

    Args:
        slots: requests worked on at the same time.
        queue: further ones that may wait.
        seconds: how long one may take to arrive, and how long one may wait.

    Attributes:
        places: requests that may wait and be worked on.
        arriving: further ones that may be on their way in.
    """

    def __init__(self, slots: int, queue: int, seconds: float):
        self.places, self._seconds = slots + queue, seconds
        self.arriving = self.places + SPARE
        self.closed = self._is_over = False
        self._taken, self._left = 0, time.monotonic()
        self._inside: set[asyncio.Task[Any] | None] = set()
        self._arriving: dict[asyncio.Task[Any], None] = {}  # the one that came first comes first
        self._executor = ThreadPoolExecutor(slots, "work")

    @property
    def quiet(self) -> float:
        """Seconds since a request was worked on, or waited for that; for any thread."""
        return 0.0 if self._taken else time.monotonic() - self._left

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be in the server, until the answer is made.

        Raises:
            Failure: it is stopping, or has stopped meanwhile.
        """
        if self.closed:
            raise Failure(StatusCode.UNAVAILABLE, "the server is stopping")
        self._inside.add(task := asyncio.current_task())
        try:
            yield
        except asyncio.CancelledError as error:
            if not self._is_over:
                raise
            raise Failure(StatusCode.UNAVAILABLE, "the server stopped before the answer was ready") from error
        finally:
            self._inside.discard(task)

    async def arrived(self, message: Coroutine[Any, Any, T]) -> T:
        """What a client sends. Too many at once: the one that has been coming for the longest gives way.

        So clients that begin requests and send nothing keep nobody out.

        Raises:
            Failure: it did not arrive in time, or gave way.
        """
        task = asyncio.ensure_future(message)
        self._arriving[task] = None
        if len(self._arriving) > self.arriving:
            first = next(iter(self._arriving))
            del self._arriving[first]
            first.cancel()
        try:
            return await asyncio.wait_for(task, self._seconds)
        except asyncio.TimeoutError as error:
            text = f"the request did not arrive within {self._seconds:g} s (--timeout)"
            raise Failure(StatusCode.DEADLINE_EXCEEDED, text, http=408) from error
        except asyncio.CancelledError as error:
            if task in self._arriving:
                raise
            text = f"{self.arriving} requests that began later are arriving; try again in a while"
            raise Failure(StatusCode.RESOURCE_EXHAUSTED, text) from error
        finally:
            self._arriving.pop(task, None)

    async def work(self, call: Callable[[], T]) -> T:
        """Call in a thread, when its turn has come. Who leaves before is not worked for.

        Raises:
            Failure: the server is full, or it waited too long.
        """
        if self._taken >= self.places:
            text = f"{self.places} requests are in the server; try again in a while"
            raise Failure(StatusCode.RESOURCE_EXHAUSTED, text)
        self._taken += 1
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def run() -> T:
            loop.call_soon_threadsafe(begun.set)
            return call()

        job = loop.run_in_executor(self._executor, run)
        try:
            await asyncio.wait_for(begun.wait(), self._seconds)
        except asyncio.TimeoutError as error:
            text = "waited too long for the requests before it"
            raise Failure(StatusCode.DEADLINE_EXCEEDED, text) from error
        else:
            return await job
        finally:
            job.cancel()
            self._left = time.monotonic()
            self._taken -= 1

    async def drained(self, seconds: float) -> None:
        """Let nobody in; wait for those that are, but no longer than this, then send them away."""
        self.closed = True
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._until_empty(), seconds)
        self._is_over = True
        for task in filter(None, self._inside):
            task.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _until_empty(self) -> None:
        while self._inside:
            await asyncio.sleep(0.02)
