"""The local server: both APIs over the same models."""

import contextlib
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import uvicorn
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from n2n_tf.config import RunError, ServeConfig
from n2n_tf.serving.models import Models
from n2n_tf.serving.rest import RestApi
from n2n_tf.serving.rpc import ModelService, PredictionService
from n2n_tf.serving.service import Service
from n2n_tf.serving.transport import MESSAGE_BYTES

SPARE = 4  # gRPC's threads for status and metadata when all places are taken
CONNECTIONS = 500  # open ones to the REST API; further ones get 503


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
            self.pixels = self._service.max_pixels
            self._rpc, self.grpc_port = self._grpc_server(config)
            self._executor = ThreadPoolExecutor(self._service.gate.places, "rest")
            self._rest = self._rest_server(config)
            self._thread = threading.Thread(target=self._rest.run, args=([listener],), name="rest", daemon=True)
            self._thread.start()
            while not self._rest.started:
                if not self._thread.is_alive():
                    raise RunError(f"--rest-port {self.rest_port}: another program has begun to listen there")
                time.sleep(0.01)
            self._rpc.start()
            self.models.watch(config.poll)
            undo.pop_all()

    def _grpc_server(self, config: ServeConfig) -> tuple[grpc.Server, int]:
        threads = self._service.gate.places + SPARE
        server = grpc.server(
            ThreadPoolExecutor(threads, "grpc"),
            options=[
                ("grpc.max_receive_message_length", config.max_body),
                ("grpc.max_send_message_length", MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),  # or a second server would share the port
            ],
            maximum_concurrent_rpcs=threads,
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(self._service), server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(self._service), server)
        address = f"{self.url_host}:{config.grpc_port}"
        try:
            port = server.add_insecure_port(address)
        except RuntimeError:
            port = 0
        if not port:
            raise RunError(f"--grpc-port {config.grpc_port}: cannot listen on {address}; 0 takes a free port")
        return server, port

    def _rest_server(self, config: ServeConfig) -> uvicorn.Server:
        return uvicorn.Server(
            uvicorn.Config(
                RestApi(self._service, config, self._executor).app, log_config=None, access_log=False, lifespan="off",
                http="h11", ws="none", server_header=False, limit_concurrency=CONNECTIONS,
                timeout_graceful_shutdown=round(config.grace),
            )
        )  # fmt: skip

    def stop(self) -> None:
        """Take no more requests, answer those that are in, free the models."""
        self._service.gate.closed = True
        self._rest.should_exit = True
        ended = self._rpc.stop(self._grace)
        self._thread.join()
        ended.wait()
        self.models.close()
        self._executor.shutdown(wait=False, cancel_futures=True)


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
