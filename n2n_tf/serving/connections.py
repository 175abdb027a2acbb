"""Connections to the REST API: bounded in number and in the time that a request's first lines take."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol


def bounded(most: int, seconds: float) -> type[H11Protocol]:
    """A protocol for uvicorn, which itself waits for ever, and refuses newcomers while idle connections stay.

    Args:
        most: connections at once; one more closes the one that has been waiting for a request the longest.
        seconds: that a connection waits for a request, whether nothing comes or a byte at a time.
    """

    class Connection(H11Protocol):
        since = 0.0
        timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.wait()
            if len(self.connections) > most:
                waiting = [each for each in self.connections if isinstance(each, Connection) and each.is_waiting()]
                first = min(waiting, key=lambda each: each.since)
                first.transport.abort()  # also if it is closing, and nobody reads what it still has to say
                self.connections.discard(first)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self.timer:
                self.timer.cancel()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self.wait()

        def wait(self) -> None:
            if self.timer:
                self.timer.cancel()
            self.since = self.loop.time()
            self.timer = self.loop.call_later(seconds, self.late)

        def late(self) -> None:
            if self.is_waiting():
                self.transport.close()

        def is_waiting(self) -> bool:
            return not self.cycle or self.cycle.response_complete

    return Connection
