"""The clients, against a small stand-in with TensorFlow Serving's API around the C++ loader that it uses itself."""

import base64
import json
import subprocess
import sys
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import imagecodecs
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

import n2n_tf
from n2n_tf.config import UsageError
from n2n_tf.exporting import export
from n2n_tf.exporting.cpp_loader import CppModel
from n2n_tf.networks import unet
from n2n_tf.serving import Client, ServingError, transport

RNG = np.random.default_rng(0)
CLIENTS = Path(__file__).parents[1] / "serving" / "clients"


class StandIn(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers over both APIs; keeps what it was asked."""

    def __init__(self, model):
        self.model, self.asked, self.headers, self.failures, self.delay, self.instead = model, [], [], [], 0, b""
        self.rpc = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(self, self.rpc)
        self.grpc = f"grpc://127.0.0.1:{self.rpc.add_insecure_port('127.0.0.1:0')}"
        self.rpc.start()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.rest = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        self.rpc.stop(None)
        self.http.shutdown()
        self.http.server_close()

    def run(self, signature, inputs):
        self.asked.append((signature, [np.shape(value) for value in inputs.values()]))
        time.sleep(self.delay)
        return self.model.run(signature, inputs)

    def Predict(self, request, context):  # noqa: N802
        spec = request.model_spec
        self.headers.append((dict(context.invocation_metadata()), spec.name, spec.version.value, spec.version_label))
        if self.failures:
            context.abort(getattr(grpc.StatusCode, self.failures.pop()), "said so")
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        try:
            outputs = self.run(spec.signature_name, inputs)
        except RuntimeError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        response = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response

    def handler(self):
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                stand_in.headers.append((dict(self.headers), self.path))
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if stand_in.failures:
                    return self.answer(int(stand_in.failures.pop()), {"error": "said so"})
                given = body["inputs"] if "inputs" in body else {"image_bytes": body["instances"]}
                kinds = {"serving_default": np.float32, "uint8": np.uint8}
                inputs = {
                    name: np.array([base64.b64decode(each["b64"]) for each in value], dtype=object)
                    if body["signature_name"] == "encoded"
                    else np.array(value, kinds[body["signature_name"]])
                    for name, value in given.items()
                }
                try:
                    (output,) = stand_in.run(body["signature_name"], inputs).values()
                except RuntimeError as error:
                    return self.answer(400, {"error": str(error)})
                plain = (
                    [{"b64": base64.b64encode(each).decode()} for each in output] if output.dtype == object else None
                )
                return self.answer(200, {"outputs" if "inputs" in body else "predictions": plain or output.tolist()})

            def answer(self, status, value):
                data = stand_in.instead or json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        return Handler


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    network = unet(3, 4, seed=0)
    network.get_layer("nin_c").kernel.assign(RNG.normal(0, 0.3, (1, 1, 8, 3)))
    network.get_layer("nin_c").bias.assign(np.full(3, 0.4))
    network.save(folder / "x.keras")
    model = CppModel(export(folder / "x.keras", folder / "n2n", 10**6))
    stand_in = StandIn(model)
    yield network, stand_in
    stand_in.stop()
    model.close()


@pytest.fixture
def server(served):
    stand_in = served[1]
    stand_in.asked, stand_in.headers, stand_in.failures, stand_in.delay, stand_in.instead = [], [], [], 0, b""
    return stand_in


@pytest.mark.parametrize("way", ["rest", "grpc"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_arrays_come_back_as_denoise_gives_them(way, dtype, served, server):
    image = RNG.random((33, 47, 3))
    image = (image * np.iinfo(dtype).max).astype(dtype) if np.dtype(dtype).kind == "u" else image.astype(dtype)
    result = Client(getattr(server, way)).denoise(image)
    assert result.dtype == dtype
    np.testing.assert_allclose(
        result, n2n_tf.denoise(served[0], image), rtol=0, atol=0 if result.dtype.kind == "u" else 1e-5
    )
    signatures = {"rest": ("encoded", "encoded"), "grpc": ("uint8", "encoded")}[way]
    expected = {np.uint8: signatures[0], np.uint16: signatures[1]}.get(dtype, "serving_default")
    assert [asked[0] for asked in server.asked] == [expected]


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_files_come_back_as_png(way, served, server, tmp_path):
    image = RNG.integers(0, 256, (20, 30, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(image))
    client = Client(getattr(server, way))
    for given in (tmp_path / "a.png", str(tmp_path / "a.png"), (tmp_path / "a.png").read_bytes()):
        np.testing.assert_array_equal(imagecodecs.png_decode(client.denoise(given)), n2n_tf.denoise(served[0], image))


@pytest.mark.parametrize(
    ("size", "way", "dtype"),
    [
        ((700, 333), "grpc", np.float32),
        ((65, 900), "grpc", np.float32),
        ((350, 401), "rest", np.uint16),
        ((350, 401), "grpc", np.uint8),
    ],
)
def test_large_arrays_go_in_tiles_and_come_back_whole(size, way, dtype, served, server):
    peak = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    image = (RNG.random((*size, 3)) * peak).astype(dtype)
    result = Client(getattr(server, way), tile=320).denoise(image)
    assert len(server.asked) > 1
    assert max(max(shape[1:3], default=0) for _, (shape,) in server.asked) <= 320
    whole = n2n_tf.denoise(served[0], image, memory=100).astype(np.float64)
    close = 1 if peak > 1 else 1e-5  # a rounding of the last digit may turn over
    np.testing.assert_allclose(result.astype(np.float64), whole, rtol=0, atol=close)


def test_a_large_answer_passes_grpcs_limit_of_4_mb(server):
    image = np.zeros((700, 800, 3), np.float32)
    assert Client(server.grpc).denoise(image).nbytes > 4 * 2**20


def test_only_unavailable_is_asked_again(server, monkeypatch):
    waits = []
    monkeypatch.setattr(transport.time, "sleep", waits.append)
    image = np.zeros((2, 2, 3), np.uint8)
    for url, again, other in ((server.grpc, "UNAVAILABLE", "INTERNAL"), (server.rest, "503", "500")):
        waits.clear()
        server.failures = [again, again]
        assert Client(url).denoise(image).shape == image.shape
        assert [wait for wait in waits if wait] == [0.25, 0.5]
        server.failures = [again] * 4
        with pytest.raises(ServingError, match="said so"):
            Client(url).denoise(image)
        assert not server.failures
        waits.clear()
        server.failures = [other]
        with pytest.raises(ServingError, match="said so"):
            Client(url).denoise(image)
        assert not [wait for wait in waits if wait]


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_a_slow_server_is_given_up(way, server):
    server.delay = 1.0
    with pytest.raises(ServingError, match=r"no answer within 0.2 s|DEADLINE_EXCEEDED"):
        Client(getattr(server, way), timeout=0.2).denoise(np.zeros((2, 2, 3), np.uint8))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "grpc://127.0.0.1:9"])
def test_no_server_is_an_error_that_names_it(url, monkeypatch):
    monkeypatch.setattr(transport, "FIRST_WAIT", 0.0)
    with pytest.raises(ServingError, match=r"127\.0\.0\.1:9") as caught:
        Client(url).denoise(np.zeros((2, 2, 3), np.uint8))
    assert caught.value.unavailable


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_the_servers_own_words_are_passed_on(way, server):
    with pytest.raises(ServingError, match="neither a PNG nor a JPEG"):
        Client(getattr(server, way)).denoise(b"GIF89a")


def test_headers_versions_and_labels_are_sent(server):
    image, headers = np.zeros((2, 2, 3), np.uint8), {"X-Api-Key": "secret"}
    Client(server.grpc, "other", version=3, headers=headers).denoise(image)
    Client(server.grpc, label="canary").denoise(image)
    Client(server.rest, "other", version=3, headers=headers).denoise(image)
    Client(server.rest, label="canary").denoise(image)
    assert server.headers[0][0]["x-api-key"] == "secret"
    assert [found[1:] for found in server.headers[:2]] == [("other", 3, ""), ("n2n", 0, "canary")]
    assert server.headers[2][0]["X-Api-Key"] == "secret"
    paths = [found[1] for found in server.headers[2:]]
    assert paths == ["/v1/models/other/versions/3:predict", "/v1/models/n2n/labels/canary:predict"]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((2, 2, 2, 3), np.uint8), "wanted non-empty"),
        (np.zeros((0, 2, 3), np.uint8), "wanted non-empty"),
        (np.zeros((2, 2, 3), np.int32), "is int32; wanted uint8, uint16 or float"),
        (np.zeros((2, 2, 4), np.uint16), "4 channels of 16 bits; wanted 1 or 3"),
    ],
)
def test_arrays_that_cannot_be_sent(image, message, server):
    with pytest.raises(ValueError, match=message):
        Client(server.grpc).denoise(image)
    assert not server.asked


def test_wrong_settings():
    with pytest.raises(UsageError, match="scheme of localhost:8500: 'localhost' is not known; wanted one of grpc"):
        Client("localhost:8500")
    with pytest.raises(ValueError, match="tile 256, halo 128: wanted multiples of 32"):
        Client("grpc://localhost:8500", tile=256)
    with pytest.raises(ValueError, match="version 1 and label 'canary': wanted one of them"):
        Client("grpc://localhost:8500", version=1, label="canary")


def test_tls_is_meant_in_capital_letters_too(monkeypatch):
    monkeypatch.setattr(transport.grpc, "insecure_channel", None)
    Client("GRPCS://localhost:8500").close()


def test_what_is_no_answer_of_the_server_is_one_kind_of_error(server):
    image = np.zeros((2, 2, 3), np.uint8)
    for answer in (b"<html>", b"{}", b'{"outputs": 3}'):
        server.instead = answer
        with pytest.raises(ServingError, match="no answer of TensorFlow Serving"):
            Client(server.rest).denoise(image)
    with pytest.raises(ServingError, match="nonnumeric port"):
        Client("http://127.0.0.1:port").denoise(image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_gray_array_to_a_colour_model_is_said(dtype, server):
    with (
        Client(server.rest) as client,
        pytest.raises(ValueError, match=r"1 channels came back as .*the model has others"),
    ):
        client.denoise(np.zeros((4, 5), dtype))


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_the_command_line_clients(way, served, server, tmp_path):
    image = RNG.integers(0, 256, (20, 30, 3), np.uint8)
    (tmp_path / "noisy.png").write_bytes(imagecodecs.png_encode(image))
    program = [sys.executable, *map(str, (CLIENTS / f"{way}_client.py", tmp_path / "noisy.png", tmp_path / "out.png"))]
    place = ["--url", server.rest] if way == "rest" else ["--address", server.grpc.removeprefix("grpc://")]
    subprocess.run([*program, *place], check=True)
    result = imagecodecs.png_decode((tmp_path / "out.png").read_bytes())
    np.testing.assert_array_equal(result, n2n_tf.denoise(served[0], image))
    (tmp_path / "noisy.png").write_bytes(b"no image")
    done = subprocess.run([*program, *place], capture_output=True, text=True)
    assert done.returncode == 1
    assert "neither a PNG nor a JPEG" in done.stderr
    assert "Traceback" not in done.stderr
