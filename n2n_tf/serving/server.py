"""The local server: both APIs over the same models."""

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

SPARE = 4  # threads for status and metadata when all places are taken
CONNECTIONS = 500  # open ones to the REST API; further ones get 503


class Server:
    """Serve models over TensorFlow Serving's gRPC and REST APIs, from construction until `stop`.

    Args:
        places: directories of models, or one models.config.
        config: addresses and limits.

    Attributes:
        models: that are served.
        pixels: the largest request.
        grpc_port, rest_port: where it listens.

    Raises:
        UsageError: no model in these places.
        RunError: a model that cannot be loaded, or a port that is taken.
    """

    def __init__(self, places: Sequence[str | Path], config: ServeConfig):
        self.url_host = f"[{config.host}]" if ":" in config.host else config.host
        listener = _bound(config.host, config.rest_port)
        self.rest_port = listener.getsockname()[1]
        self.models = Models(places)
        self._service = service = Service(self.models, config)
        self.pixels = service.max_pixels
        self._grace = config.grace
        places_count = service.gate.places + SPARE
        self._executor = ThreadPoolExecutor(places_count, "rest")
        self._rpc = grpc.server(
            ThreadPoolExecutor(places_count, "grpc"),
            options=[
                ("grpc.max_receive_message_length", config.max_body),
                ("grpc.max_send_message_length", MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),  # or a second server would share the port
            ],
            maximum_concurrent_rpcs=places_count,
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(service), self._rpc)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(service), self._rpc)
        self.grpc_port = self._add_port(config.grpc_port)
        app = RestApi(service, config, self._executor).app
        self._rest = uvicorn.Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="off", http="h11", ws="none", server_header=False,
                limit_concurrency=CONNECTIONS, timeout_graceful_shutdown=round(config.grace),
            )
        )  # fmt: skip
        self._thread = threading.Thread(target=self._rest.run, args=([listener],), name="rest", daemon=True)
        self._thread.start()
        self._rpc.start()
        while not self._rest.started and self._thread.is_alive():
            time.sleep(0.01)
        self.models.watch(config.poll)

    def stop(self) -> None:
        """Take no more requests, answer those that are in, free the models."""
        self._service.gate.closed = True
        self._rest.should_exit = True
        ended = self._rpc.stop(self._grace)
        self._thread.join()
        ended.wait()
        self.models.close()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _add_port(self, port: int) -> int:
        try:
            found = self._rpc.add_insecure_port(f"{self.url_host}:{port}")
        except RuntimeError:
            found = 0
        if not found:
            raise RunError(f"--grpc-port {port}: cannot listen on {self.url_host}:{port}; 0 takes a free port")
        return found


def _bound(host: str, port: int) -> socket.socket:
    """A socket that has its port; it listens when the server is ready."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        text = f"cannot listen on {host}:{port}: {error.strerror}"
        raise RunError(f"--rest-port {port}: {text}; 0 takes a free port") from error
    return listener
