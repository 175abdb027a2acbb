"""Servers of the tests that speak HTTP, gRPC or nothing known on a real socket, and do as they are told."""

import contextlib
import json
import socketserver
import threading
from concurrent import futures

import grpc


@contextlib.contextmanager
def _started(handler):
    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address, daemon_threads = True, True

    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@contextlib.contextmanager
def at_a_socket(do):
    """Call `do` with the socket of each connection; yields HOST:PORT."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                do(self.request)

    with _started(Handler) as place:
        yield place


@contextlib.contextmanager
def over_http(do):
    """Read each request, then call `do` with its body and the socket; yields a URL."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                lines = [line.lower() for line in iter(self.rfile.readline, b"\r\n") if line]
                length = next(int(line.split()[1]) for line in lines if line.startswith(b"content-length"))
                do(self.rfile.read(length), self.request)

    with _started(Handler) as place:
        yield f"http://{place}"


@contextlib.contextmanager
def over_grpc(answer):
    """Answer each call with `answer(request, context)`, both bytes; yields a URL."""
    method = grpc.unary_unary_rpc_method_handler(answer)
    handlers = grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", {"Predict": method})
    server = grpc.server(
        futures.ThreadPoolExecutor(2), handlers=[handlers], options=[("grpc.max_receive_message_length", -1)]
    )
    place = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield f"grpc://{place}"
    finally:
        server.stop(None)


def page(body, status="200 OK", more=""):
    """A whole HTTP answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def outputs(value):
    """An HTTP answer as TensorFlow Serving gives it."""
    return page(json.dumps({"outputs": value}).encode())
