"""The example clients of serving/clients before servers that answer wrongly. `test_client.py` has the right answers."""

import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from strangers import outputs, over_grpc, over_http, page
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

CLIENTS = Path(__file__).parents[1] / "serving" / "clients"


def failed(tmp_path, program, *args):
    """What a client says whose answer cannot be used."""
    (tmp_path / "noisy.png").write_bytes(b"any")
    files = [str(tmp_path / "noisy.png"), str(tmp_path / "out.png")]
    done = subprocess.run([sys.executable, str(CLIENTS / program), *files, *args], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.png").exists()
    return done.stderr


@pytest.mark.parametrize(
    "answer",
    [
        b"no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n{",
        page(b"<html>"),
        page(b"\xff\xfe\xff"),
        page(b"[" * 100_000),
        page(b"[]"),
        page(b'{"predictions": []}'),
        page(b'{"predictions": [1]}'),
        page(b'{"predictions": [{"b64": "*"}]}'),
        outputs([0.5]),
    ],
)
def test_an_answer_over_rest_that_is_none_is_one_line(answer, tmp_path):
    with over_http(lambda _, connection: connection.sendall(answer)) as url:
        said = failed(tmp_path, "rest_client.py", "--url", url)
    assert said.startswith(f"{url}: ")
    assert len(said.splitlines()) == 1


def test_an_error_over_rest_is_read_as_far_as_it_is_one(tmp_path):
    sent = []

    def do(_, connection):
        connection.sendall(b"HTTP/1.1 500 Bad\r\n\r\n")
        for _ in range(200):
            connection.sendall(b"\xff" * 10**6)
            sent.append(10**6)

    with over_http(do) as url:
        said = failed(tmp_path, "rest_client.py", "--url", url)
    assert said.startswith("500: ")
    assert sum(sent) < 2e7  # what the buffers of the sockets took


def test_an_answer_over_grpc_that_is_none_is_one_line(tmp_path):
    with over_grpc(lambda *_: PredictResponse().SerializeToString()) as url:
        assert "no answer of TensorFlow Serving" in failed(tmp_path, "grpc_client.py", "--address", url[7:])


def test_what_goes_over_grpc_is_tensorflow_servings(tmp_path):
    got = []

    def answer(request, context):
        got.append((PredictRequest.FromString(request), dict(context.invocation_metadata())))
        response = PredictResponse()
        response.model_spec.version.value = 3  # as the server tells it: passed over
        response.outputs["denoised_bytes"].CopyFrom(tf.make_tensor_proto([b"a PNG"]))
        return response.SerializeToString()

    (tmp_path / "noisy.png").write_bytes(b"any")
    program = [sys.executable, str(CLIENTS / "grpc_client.py"), str(tmp_path / "noisy.png"), str(tmp_path / "out.png")]
    with over_grpc(answer) as url:
        more = ["--address", url[7:], "--model", "mine", "--label", "stable", "--header", "X-Api-Key: secret"]
        subprocess.run([*program, *more], check=True)
    ((request, metadata),) = got
    wanted = PredictRequest()
    wanted.model_spec.name, wanted.model_spec.signature_name = "mine", "encoded"
    wanted.model_spec.version_label = "stable"
    wanted.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([b"any"]))
    assert request == wanted
    assert metadata["x-api-key"] == "secret"
    assert (tmp_path / "out.png").read_bytes() == b"a PNG"


def test_a_header_without_a_value_is_a_usage_error():
    program = [sys.executable, str(CLIENTS / "rest_client.py"), "in.png", "out.png", "--header", "X-Api-Key"]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 2
    assert "argument --header: invalid header value: 'X-Api-Key'" in done.stderr
