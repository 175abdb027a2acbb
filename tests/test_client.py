"""The clients, against the local server."""

import base64
import io
import json
import subprocess
import sys
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import grpc
import imagecodecs
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

import n2n_tf
from n2n_tf.config import ServeConfig, UsageError
from n2n_tf.exporting.cpp_loader import CppModel, SessionError
from n2n_tf.serving import Client, ServingError, grpc_transport, messages, transport
from n2n_tf.serving.server import Server

RNG = np.random.default_rng(0)
CLIENTS = Path(__file__).parents[1] / "serving" / "clients"


@pytest.fixture(scope="module")
def running(served):
    server = Server([served[1] / "n2n"], ServeConfig(rest_port=0, grpc_port=0))
    yield server
    server.stop()


@pytest.fixture
def server(running, monkeypatch):
    """The local server; it keeps what its model was asked, and fails or takes its time when told to."""
    spy = SimpleNamespace(
        rest=f"http://127.0.0.1:{running.rest_port}", grpc=f"grpc://127.0.0.1:{running.grpc_port}",
        asked=[], failures=[], delay=0.0,
    )  # fmt: skip

    def run(self, signature, inputs, *args, run=CppModel.run):
        spy.asked.append((signature, [np.shape(value) for value in inputs.values()]))
        time.sleep(spy.delay)
        if spy.failures:
            raise SessionError("said so", spy.failures.pop())
        return run(self, signature, inputs, *args)

    monkeypatch.setattr(CppModel, "run", run)
    return spy


@pytest.fixture
def stranger():
    """A server over HTTP that answers whatever it is told to, and keeps what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.server.got.append((self.path, dict(self.headers)))
            self.send_response(self.server.status)
            for header in self.server.headers.items():
                self.send_header(*header)
            self.end_headers()
            self.wfile.write(self.server.answer)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.got, server.answer, server.url = [], b"", f"http://127.0.0.1:{server.server_address[1]}"
        server.status, server.headers = 200, {}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


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


SLIM = """
import sys
import numpy as np

HEAVY = ("tensorflow", "tensorflow_serving", "keras")
sys.modules.update(dict.fromkeys(HEAVY))  # importing them fails from here on
from n2n_tf.serving import Client

image = np.load(sys.argv[1])
for url in sys.argv[2:]:
    with Client(url, tile=320) as client:
        np.save(sys.stdout.buffer, client.denoise(image))
        np.save(sys.stdout.buffer, client.denoise(image.astype(np.float32) / 255))
assert not any(sys.modules[name] for name in HEAVY)
"""


def test_a_client_needs_no_tensorflow(served, server, tmp_path):
    image = RNG.integers(0, 256, (33, 400, 3), np.uint8)
    np.save(tmp_path / "image.npy", image)
    program = [sys.executable, "-c", SLIM, str(tmp_path / "image.npy"), server.rest, server.grpc]
    done = subprocess.run(program, capture_output=True, cwd=Path(__file__).parents[1])
    assert not done.returncode, done.stderr.decode()
    assert list(dict.fromkeys(asked[0] for asked in server.asked)) == ["encoded", "serving_default", "uint8"]
    answers, floats = io.BytesIO(done.stdout), image.astype(np.float32) / 255
    for _ in range(2):
        close = np.load(answers).astype(int) - n2n_tf.denoise(served[0], image)
        assert np.abs(close).max() <= 1  # it went in tiles
        np.testing.assert_allclose(np.load(answers), n2n_tf.denoise(served[0], floats), rtol=0, atol=1e-5)


def test_a_client_writes_the_messages_of_tensorflow_serving():
    """As its own classes read them, which write what the other tests' clients read."""
    request, fields = (
        messages.PredictRequest(),
        {"float_val": [0.5, -2], "int_val": [3, 300], "string_val": [b"c", b""]},
    )
    sent, shape = request.model_spec, {"dim": [{"size": 2}, {"size": 1}]}
    sent.name, sent.signature_name, sent.version.value = "n2n", "uint8", 7
    request.inputs.add(key="image", value=messages.Tensor(dtype=4, tensor_shape=shape, tensor_content=b"ab"))
    request.inputs.add(key="other", value=messages.Tensor(tensor_shape={"unknown_rank": True}, **fields))
    read = predict_pb2.PredictRequest.FromString(request.SerializeToString())
    spec, other = read.model_spec, read.inputs["other"]
    assert (spec.name, spec.signature_name, spec.version.value) == ("n2n", "uint8", 7)
    assert tf.make_ndarray(read.inputs["image"]).tolist() == [[ord("a")], [ord("b")]]
    assert other.tensor_shape.unknown_rank
    assert {name: list(getattr(other, name)) for name in fields} == fields


def encoded(image, form):
    if form == "PNG":
        return bytes(imagecodecs.png_encode(image))
    file = io.BytesIO()
    Image.fromarray(image).save(file, form)
    return file.getvalue()


@pytest.mark.parametrize(
    ("shape", "dtype", "form", "colors"),
    [
        ((350, 401, 3), np.uint16, "PNG", 3),
        ((350, 401, 4), np.uint8, "PNG", 3),  # alpha is dropped
        ((350, 401), np.uint8, "PNG", 1),  # the model answers in colour
        ((350, 401, 3), np.uint8, "JPEG", 3),
        ((350, 401), np.uint8, "JPEG", 1),
    ],
)
def test_large_files_go_in_tiles_and_come_back_whole(shape, dtype, form, colors, served, server):
    image = (RNG.random(shape) * np.iinfo(dtype).max).astype(dtype)
    file = encoded(image, form)
    result = imagecodecs.png_decode(Client(server.grpc, tile=320).denoise(file))
    assert len(server.asked) > 1
    if form == "JPEG":
        image = np.asarray(Image.open(io.BytesIO(file)))
    image = np.broadcast_to(np.atleast_3d(image)[..., :colors], (350, 401, 3))
    whole = n2n_tf.denoise(served[0], np.ascontiguousarray(image), memory=100)
    assert result.dtype == dtype
    np.testing.assert_allclose(result.astype(int), whole.astype(int), rtol=0, atol=1)


def test_a_large_file_that_is_broken_is_the_servers_to_refuse(server):
    file = encoded(np.zeros((350, 401, 3), np.uint8), "PNG")
    with pytest.raises(ServingError, match="Invalid PNG"):
        Client(server.grpc, tile=320).denoise(file[: len(file) // 2])


def test_a_large_answer_passes_grpcs_limit_of_4_mb(server):
    image = np.zeros((700, 800, 3), np.float32)
    assert Client(server.grpc).denoise(image).nbytes > 4 * 2**20


def test_only_unavailable_is_asked_again(server, monkeypatch):
    waits = []
    monkeypatch.setattr(transport, "time", SimpleNamespace(sleep=waits.append, monotonic=time.monotonic))
    image, unavailable, internal = np.zeros((2, 2, 3), np.uint8), 14, 13
    for url in (server.grpc, server.rest):
        waits.clear()
        server.failures = [unavailable] * 2
        assert Client(url).denoise(image).shape == image.shape
        assert waits == [0.25, 0.5]
        server.failures = [unavailable] * 4
        with pytest.raises(ServingError, match="said so"):
            Client(url).denoise(image)
        assert not server.failures
        waits.clear()
        server.failures = [internal]
        with pytest.raises(ServingError, match="said so"):
            Client(url).denoise(image)
        assert not waits


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


def test_headers_versions_and_labels_are_sent_over_rest(stranger):
    stranger.answer = b'{"outputs": [[[[0.5]]]]}'
    image = np.zeros((1, 1, 1), np.float32)
    Client(stranger.url, "other", version=3, headers={"X-Api-Key": "secret"}).denoise(image)
    Client(stranger.url, label="canary").denoise(image)
    assert stranger.got[0][1]["X-Api-Key"] == "secret"
    paths = [path for path, _ in stranger.got]
    assert paths == ["/v1/models/other/versions/3:predict", "/v1/models/n2n/labels/canary:predict"]


def test_headers_versions_and_labels_are_sent_over_grpc():
    got = []

    class Recorder(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802
            got.append((request.model_spec, dict(context.invocation_metadata())))
            response = predict_pb2.PredictResponse()
            response.outputs["denoised"].CopyFrom(request.inputs["image"])
            return response

    server = grpc.server(futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Recorder(), server)
    url = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    image = np.zeros((2, 2, 3), np.uint8)
    Client(url, "other", version=3, headers={"X-Api-Key": "secret"}).denoise(image)
    Client(url, label="canary").denoise(image)
    server.stop(None)
    assert got[0][1]["x-api-key"] == "secret"
    assert [(spec.name, spec.version.value, spec.version_label) for spec, _ in got] == [
        ("other", 3, ""), ("n2n", 0, "canary"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((2, 2, 2, 3), np.uint8), "wanted non-empty"),
        (np.zeros((0, 2, 3), np.uint8), "wanted non-empty"),
        (np.zeros((2, 2, 3), np.int32), "is int32; wanted uint8, uint16 or float"),
        (np.zeros((2, 2, 4), np.uint16), "4 channels of 16 bits; wanted 1 or 3"),
        (np.array([[0.5, np.nan]]), "pixels that are no numbers"),
        (np.array([[0.5, 1e300]]), "pixels that are no numbers, or too large"),
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
    monkeypatch.setattr(grpc_transport.grpc, "insecure_channel", None)
    Client("GRPCS://localhost:8500").close()


def test_what_is_no_answer_of_the_server_is_one_kind_of_error(stranger):
    image = np.zeros((2, 2, 3), np.uint8)
    for stranger.answer in (b"<html>", b"{}", b'{"outputs": 3}'):
        with pytest.raises(ServingError, match="no answer of TensorFlow Serving"):
            Client(stranger.url).denoise(image)
    with pytest.raises(ServingError, match="nonnumeric port"):
        Client("http://127.0.0.1:port").denoise(image)


FLOATS, BYTES = np.zeros((4, 4, 1), np.float32), np.zeros((4, 4, 1), np.uint8)


def packed(data):
    return json.dumps({"outputs": [{"b64": base64.b64encode(data).decode()}]}).encode()


@pytest.mark.parametrize(
    ("image", "answer", "message"),
    [
        (FLOATS, b'{"outputs": [[[[0.5]]]]}', r"an image of \(4, 4, 1\) came back as \(1, 1, 1\)"),
        (FLOATS, b'{"outputs": 0.5}', r"wanted one float32 image; got float32 \(\)"),
        (FLOATS, json.dumps({"outputs": np.full((1, 4, 4, 1), np.nan).tolist()}).encode(), "that are no numbers"),
        (BYTES, b'{"outputs": [{"b64": "*"}]}', "no answer of TensorFlow Serving"),
        (BYTES, b'{"outputs": []}', "wanted a PNG"),
        (FLOATS, b"[" * 4000, "no answer of TensorFlow Serving"),
        (FLOATS, b"[" * 200_000, "more than the 4608 bytes of a correct one"),
        (FLOATS, b'{"outputs": 1' + b"0" * 400 + b"}", "no answer of TensorFlow Serving"),
        (BYTES, packed(b"GIF89a"), "wanted a PNG"),
        (BYTES, packed(b"\x89PNG\r\n\x1a\n" + b"x" * 40), "cannot be decoded"),
    ],
)
def test_an_answer_that_is_no_image_of_that_size_is_refused(image, answer, message, stranger):
    stranger.answer = answer
    with pytest.raises(ServingError, match=message):
        Client(stranger.url).denoise(image)


def test_no_redirect_is_followed(stranger, tmp_path):
    (tmp_path / "noisy.png").write_bytes(imagecodecs.png_encode(BYTES[..., 0]))
    program = [sys.executable, str(CLIENTS / "rest_client.py"), str(tmp_path / "noisy.png"), str(tmp_path / "out.png")]
    for stranger.status in (301, 302, 303, 307, 308):
        stranger.headers = {"Location": f"{stranger.url}/elsewhere"}
        with pytest.raises(ServingError, match=r"sends on to .*/elsewhere, which is not followed"):
            Client(stranger.url, headers={"X-Api-Key": "secret"}).denoise(FLOATS)
    assert subprocess.run([*program, "--url", stranger.url], capture_output=True, check=False).returncode == 1
    assert {path for path, _ in stranger.got} == {"/v1/models/n2n:predict"}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_gray_array_to_a_colour_model_is_said(dtype, server):
    with (
        Client(server.rest) as client,
        pytest.raises(ValueError, match=r"1 channels came back as .*the model has others"),
    ):
        client.denoise(np.zeros((4, 5), dtype))


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_the_command_line_clients(way, served, server, tmp_path, monkeypatch):
    for package in ("n2n_tf", "numpy", "tensorflow", "tensorflow_serving"):
        (tmp_path / f"{package}.py").write_text("raise ImportError('an example needs nothing of it')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
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
