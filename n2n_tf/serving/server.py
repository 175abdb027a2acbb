"""The local server: both APIs over the same models."""

import asyncio
import contextlib
import math
import resource
import socket
import threading
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import grpc
import uvicorn

from n2n_tf.config import RunError, ServeConfig
from n2n_tf.serving.connections import bounded
from n2n_tf.serving.models import Models
from n2n_tf.serving.rest import RestApi
from n2n_tf.serving.rpc import RpcApi
from n2n_tf.serving.service import Service
from n2n_tf.serving.transport import MESSAGE_BYTES

T = TypeVar("T")
CONNECTIONS = 500  # open ones to each API, at most
HANDSHAKE = 10.0  # seconds until a connection to the gRPC API must have said what it is
IDLE = 60  # seconds until a connection to it without a call is closed; clients connect again by themselves
DELIVERY = 0.5  # seconds for the last answers when the grace is over


class Server:
    """Serve models over TensorFlow Serving's gRPC and REST APIs, from construction until `stop`.

    Args:
        sources: directories of models, or one models.config.
        config: addresses and limits.

    Attributes:
        models: that are served.
        pixels: the largest request.
        grpc_port, rest_port: where it listens.

    Raises:
        UsageError: no model in these sources.
        RunError: a model that cannot be loaded, or a port that is taken.
    """

    def __init__(self, sources: Sequence[str | Path], config: ServeConfig):
        self.url_host = f"[{config.host}]" if ":" in config.host else config.host
        self._grace = config.grace
        with contextlib.ExitStack() as undo:  # what is open when something fails
            listener = undo.enter_context(_bound(config.host, config.rest_port))
            self.rest_port = listener.getsockname()[1]
            self.models = Models(sources)
            undo.callback(self.models.close)
            self._service = Service(self.models, config)
            undo.callback(self._service.close)
            self.pixels = self._service.max_pixels
            self._loop = asyncio.new_event_loop()  # of both APIs
            self._thread = threading.Thread(target=self._loop.run_forever, name="serving", daemon=True)
            self._thread.start()
            undo.callback(self._end_loop)
            self._rpc, self.grpc_port = self._in_loop(self._started_rpc(config))
            undo.callback(lambda: self._in_loop(self._rpc.stop(0)))
            self._rest = self._rest_server(config)
            self._serving = asyncio.run_coroutine_threadsafe(self._rest.serve([listener]), self._loop)
            while not self._rest.started:
                if self._serving.done():
                    raise RunError(f"--rest-port {self.rest_port}: another program has begun to listen there")
                time.sleep(0.01)
            self.models.watch(config.poll)
            undo.pop_all()

    async def _started_rpc(self, config: ServeConfig) -> tuple[grpc.aio.Server, int]:
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", config.max_body),
                ("grpc.max_send_message_length", MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),  # or a second server would share the port
                ("grpc.max_allowed_incoming_connections", _connections()),
                ("grpc.server_handshake_timeout_ms", round(1000 * min(config.timeout, HANDSHAKE))),
                ("grpc.max_connection_idle_ms", IDLE * 1000),
            ]
        )
        server.add_generic_rpc_handlers(RpcApi(self._service).handlers)
        address = f"{self.url_host}:{config.grpc_port}"
        try:
            port = server.add_insecure_port(address)
        except RuntimeError:
            port = 0
        if not port:
            raise RunError(f"--grpc-port {config.grpc_port}: cannot listen on {address}; 0 takes a free port")
        await server.start()
        return server, port

    def _rest_server(self, config: ServeConfig) -> uvicorn.Server:
        return uvicorn.Server(
            uvicorn.Config(
                RestApi(self._service, config).app, log_config=None, access_log=False, lifespan="off", ws="none",
                http=bounded(_connections(), config.timeout), server_header=False, backlog=max(1, _connections() // 4),
            )
        )  # fmt: skip

    def stop(self) -> None:
        """Take no more requests, answer those that are in, for `grace` seconds at most, and free the models.

        A model that computes or is loaded then goes on in its thread, which nothing can interrupt.
        """
        if not self._loop.is_closed():
            self._in_loop(self._ended())
            self._end_loop()
        self._service.close()
        self.models.close()

    async def _ended(self) -> None:
        end = time.monotonic() + self._grace
        await self._service.gate.drained(self._grace)
        left = max(DELIVERY, end - time.monotonic())  # for answers that are on their way
        self._rest.config.timeout_graceful_shutdown = math.ceil(left)
        self._rest.should_exit = True
        await asyncio.gather(asyncio.wrap_future(self._serving), self._rpc.stop(left))

    def _in_loop(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _connections() -> int:
    """To each API: a third of the files that may be open."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS if files == resource.RLIM_INFINITY else min(CONNECTIONS, files // 3)


def _bound(host: str, port: int) -> socket.socket:
    """A socket that has its port; it listens when the server is ready."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with the protocol asyncio turns Nagle's algorithm off, which else costs 40 ms a request
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        text = f"cannot listen on {host}:{port}: {error.strerror}"
        raise RunError(f"--rest-port {port}: {text}; 0 takes a free port") from error
    return listener
