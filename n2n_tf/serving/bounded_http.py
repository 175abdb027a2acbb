"""HTTP requests that end when their time is up, whatever the server does."""

import concurrent.futures
import contextlib
import functools
import http.client
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
certificates = functools.cache(ssl.create_default_context)  # reading the system's takes longer than a small request


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: another host would get the headers, an API key among them, and its answer be believed."""

    def redirect_request(self, *_: Any) -> None:
        """None: the redirect itself is the answer, an HTTPError."""


class _Line(urllib.request.HTTPSHandler, urllib.request.HTTPHandler):
    """Connections that another thread can end."""

    def __init__(self) -> None:
        super().__init__(context=certificates())
        self._sockets: list[socket.socket] = []
        self._ended = False

    def do_open(self, http_class: Any, req: urllib.request.Request, **http_conn_args: Any) -> http.client.HTTPResponse:
        """As urllib does it, and keep the socket."""
        line = self

        class Connection(http_class):
            def connect(self) -> None:
                super().connect()
                line._sockets.append(self.sock)
                if line._ended:  # while it connected
                    line.end()

        return super().do_open(Connection, req, **http_conn_args)

    def end(self) -> None:
        """Wake up who reads or writes, with an error; nothing where all is done."""
        self._ended = True
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def within(seconds: float, call: Callable[[urllib.request.OpenerDirector], T]) -> T:
    """A call that opens requests and reads their answers, for so many seconds at most.

    It runs in a thread of its own: the timeout of a socket bounds one wait for bytes, neither many of them, nor
    several addresses of a host, nor looking up its name.

    Raises:
        TimeoutError: the time is up.
        Exception: whatever the call raises.
    """
    line = _Line()
    opener, result = urllib.request.build_opener(_Stay, line), concurrent.futures.Future[T]()

    def work() -> None:
        try:
            result.set_result(call(opener))
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        return result.result(seconds)
    except concurrent.futures.TimeoutError as error:  # Python 3.10 tells it from TimeoutError
        raise TimeoutError from error
    finally:
        line.end()
