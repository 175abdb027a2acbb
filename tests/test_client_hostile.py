"""The client before servers that are slow, endless or wrong."""

import base64
import itertools
import json
import math
import socket
import struct
import threading
import time
import zlib

import grpc
import imagecodecs
import numpy as np
import pytest
from strangers import at_a_socket, outputs, over_grpc, over_http, page
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from n2n_tf.serving import Client, ServingError

FLOATS, BYTES = np.full((4, 4, 1), 0.5, np.float32), np.zeros((4, 4, 1), np.uint8)
FIVE = np.zeros((1, 1, 5), np.uint8)
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"
LATE = 1.5  # seconds after a time limit: a busy machine


def give(answer):
    """A server that gives this answer to all."""
    return over_http(lambda _, connection: connection.sendall(answer))


def byte_by_byte(beginning):
    """Send the beginning, then a byte each tenth of a second, for as long as there is a peer."""

    def do(_, connection):
        connection.sendall(beginning)
        while True:
            time.sleep(0.1)
            connection.sendall(b"1")

    return do


def continuing(_, connection):
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


def busy(_, connection):
    time.sleep(0.4)
    connection.sendall(page(b"{}", "503 Busy"))


def silent(_, connection):
    connection.recv(1)


SLOW = {
    "status": byte_by_byte(b"HTTP/1."),
    "header": byte_by_byte(b"HTTP/1.1 200 OK\r\nX-Long: "),
    "body": byte_by_byte(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
    "endless body": byte_by_byte(ENDLESS),
    "chunk": byte_by_byte(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n"),
    "error": byte_by_byte(b"HTTP/1.1 500 Bad\r\nContent-Length: 1000\r\n\r\n"),
    "continue": continuing,
    "busy": busy,
    "silent": silent,
}


def refused_in_time(url, seconds=1.0):
    """The error; it must come within the client's time limit."""
    start = time.monotonic()
    with pytest.raises(ServingError) as caught, Client(url, timeout=seconds) as client:
        client.denoise(FLOATS)
    assert time.monotonic() - start < seconds + LATE
    return caught.value


@pytest.mark.parametrize("kind", SLOW)
def test_the_time_limit_over_rest_is_that_of_the_whole_request(kind):
    ended = threading.Event()

    def do(body, connection):
        try:
            SLOW[kind](body, connection)
        finally:
            ended.set()  # the connection is closed: nothing goes on in the background

    with over_http(do) as url:
        refused_in_time(url)
        assert ended.wait(2)


def test_the_time_limit_holds_while_names_are_looked_up_and_nothing_is_sent_after_it(monkeypatch):
    got, looked_up = [], threading.Event()

    def slow(*args, look_up=socket.getaddrinfo, **options):
        time.sleep(1.0)
        looked_up.set()
        return look_up(*args, **options)

    with over_http(lambda body, _: got.append(body)) as url:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        assert "no answer within 0.2 s" in str(refused_in_time(url, 0.2))
        assert looked_up.wait(3)
        time.sleep(0.3)
        assert not got


def test_the_time_limit_holds_while_tls_begins():
    with at_a_socket(lambda connection: byte_by_byte(b"\x16\x03\x03\x40\x00")(b"", connection)) as place:
        refused_in_time(f"https://{place}")


def test_the_time_limit_holds_while_http_2_begins():
    def do(connection):
        for each in itertools.cycle(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"):  # a frame of settings, again and again
            connection.sendall(bytes([each]))
            time.sleep(0.1)

    with at_a_socket(do) as place:
        refused_in_time(f"grpc://{place}")


@pytest.mark.parametrize("ending", ["unavailable", "never"])
def test_the_time_limit_over_grpc_is_that_of_all_attempts(ending):
    def answer(_, context):
        time.sleep(0.4 if ending == "unavailable" else 1.5)
        context.abort(grpc.StatusCode.UNAVAILABLE, "busy")

    with over_grpc(answer) as url:
        refused_in_time(url)


def test_another_attempt_is_made_while_there_is_time():
    asked = []

    def do(_, connection):
        asked.append(time.monotonic())
        connection.sendall(outputs(FLOATS[None].tolist()) if len(asked) == 3 else page(b"", "503 Busy"))

    with over_http(do) as url:
        np.testing.assert_array_equal(Client(url, timeout=5).denoise(FLOATS), FLOATS)
    assert asked[2] - asked[0] > 0.7


@pytest.mark.parametrize("timeout", [0.0, -1.0, math.nan, math.inf])
def test_a_time_limit_that_is_none(timeout):
    with pytest.raises(ValueError, match=f"timeout {timeout}: wanted seconds"):
        Client("http://127.0.0.1:9", timeout=timeout)


@pytest.mark.parametrize(
    ("status", "image", "message"),
    [
        ("200 OK", FLOATS, "the answer has more than the 4608 bytes of a"),
        ("200 OK", BYTES, "the answer has more than the 9728 bytes of a"),
        ("500 Bad", FLOATS, "500 xxx"),
    ],
)
@pytest.mark.parametrize("length", ["Content-Length: 200000000\r\n", ""])
def test_an_answer_is_read_as_far_as_it_can_be_one(status, image, message, length):
    sent = []

    def do(_, connection):
        connection.sendall(f"HTTP/1.1 {status}\r\n{length}\r\n".encode())
        for _ in range(200):
            connection.sendall(b"x" * 10**6)
            sent.append(10**6)

    with over_http(do) as url, pytest.raises(ServingError, match=message) as caught:
        Client(url).denoise(image)
    assert sum(sent) < 2e7  # what the buffers of the sockets took
    assert len(str(caught.value)) < 1100


def test_an_answer_over_grpc_may_have_what_a_correct_one_has_and_no_more():
    image, answer = np.full((288, 288, 5), 255, np.uint8), PredictResponse()
    answer.outputs["denoised"].CopyFrom(proto(4, (1, *image.shape), int_val=image.ravel().tolist()))
    sent = answer.SerializeToString()
    assert len(sent) > 1.99 * image.nbytes  # two bytes for each
    with over_grpc(lambda *_: sent) as url:
        with Client(url, tile=288, max_body=420_000) as client:
            np.testing.assert_array_equal(client.denoise(image), image)
        with Client(url, tile=288, max_body=400_000) as client, pytest.raises(ServingError, match="larger than max"):
            client.denoise(FLOATS)


def test_a_status_line_that_is_none_is_said_in_short():
    with give(b"x" * 60_000 + b"\r\n\r\n") as url, pytest.raises(ServingError, match="predict: xxx") as caught:
        Client(url).denoise(FLOATS)
    assert len(str(caught.value)) < 1100


def proto(dtype=1, sizes=(1, 4, 4, 1), **fields):
    """A TensorProto that may contradict itself."""
    tensor = TensorProto(dtype=dtype, **fields)
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def unranked():
    tensor = proto(sizes=(), float_val=[0.5])
    tensor.tensor_shape.unknown_rank = True
    return tensor


@pytest.mark.parametrize(
    ("image", "tensor"),
    [
        (FLOATS, proto(sizes=(1, 2**33), float_val=[0.5])),
        (FLOATS, proto(sizes=(1, 2**33))),
        (FLOATS, proto(sizes=(2**40,) * 100_000, float_val=[0.5])),
        (FLOATS, proto(float_val=[0.5])),
        (FLOATS, proto()),
        (FLOATS, proto(float_val=[0.5] * 17)),
        (FLOATS, proto(sizes=(1, 4, 4, 3), float_val=[0.5] * 48)),
        (FLOATS, proto(sizes=(1, 4, 2, 1), float_val=[0.5] * 8)),
        (FLOATS, proto(sizes=(1, -4, -4, 1), float_val=[0.5] * 16)),
        (FLOATS, proto(sizes=(1, 0, 4, 1))),
        (FLOATS, proto(tensor_content=b"1234")),
        (FLOATS, proto(tensor_content=b"1" * 65)),
        (FLOATS, proto(float_val=[math.nan] * 16)),
        (FLOATS, proto(2, double_val=[0.5] * 16)),
        (FLOATS, proto(7, string_val=[b"0.5"] * 16)),
        (FLOATS, proto(20, int_val=[1] * 16)),
        (FLOATS, proto(121, int_val=[1] * 16)),
        (FLOATS, unranked()),
        (BYTES, proto(4, int_val=[300] * 16)),
        (BYTES, proto(4, int_val=[-1] * 16)),
        (BYTES, proto(4, sizes=(1, 2**33), int_val=[1])),
        (b"GIF", proto(7, sizes=(2**33,), string_val=[b"1"])),
        (b"GIF", proto(7, sizes=(1,), tensor_content=b"12345678")),
        (b"GIF", proto(7, sizes=(1,))),
        (b"GIF", proto(4, sizes=(1,), int_val=[1])),
        (b"GIF", proto(7, sizes=(1, 1), string_val=[b"1"])),
        (b"GIF", proto(7, sizes=(2,), string_val=[b"1", b"1"])),
    ],
)
def test_a_tensor_that_is_no_answer_is_refused_before_it_is_built(image, tensor):
    answer = PredictResponse()
    answer.outputs["denoised"].CopyFrom(tensor)
    with over_grpc(lambda *_: answer.SerializeToString()) as url:
        start = time.monotonic()
        with pytest.raises(ServingError, match=r"^grpc://127\.0\.0\.1") as caught, Client(url) as client:
            client.denoise(image)
        assert time.monotonic() - start < 5
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("answer", [b"no message", PredictResponse().SerializeToString()])
def test_a_message_that_is_no_answer_is_refused(answer, capfd):
    with over_grpc(lambda *_: answer) as url, pytest.raises(ServingError), Client(url) as client:
        client.denoise(FLOATS)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_values_in_fields_of_a_tensor_are_read_as_those_in_its_content(dtype):
    image = np.arange(16, dtype=dtype).reshape(4, 4, 1) / dtype(1)
    image = image.astype(dtype)

    def answer(request, _):
        field = "float_val" if dtype == np.float32 else "int_val"
        sent = PredictRequest.FromString(request).inputs["image"]
        values = np.frombuffer(sent.tensor_content, dtype).tolist()
        response = PredictResponse()
        response.outputs["denoised"].CopyFrom(proto(sent.dtype, **{field: values}))
        return response.SerializeToString()

    with over_grpc(answer) as url, Client(url) as client:
        np.testing.assert_array_equal(client.denoise(image), image)


@pytest.mark.parametrize("value", [0.9, 256, -1, math.nan, math.inf, 1e300, "1", True, None, [1], {}, 2**70, 10**400])
def test_what_an_integer_image_cannot_hold_is_no_answer(value):
    text = json.dumps({"outputs": [[[[0, 1, value, 3, 255]]]]}).encode()
    with give(page(text)) as url, pytest.raises(ServingError, match="no answer of TensorFlow Serving"):
        Client(url).denoise(FIVE)


@pytest.mark.parametrize("value", ["0.5", True, None, [0.5], {}, 10**400])
def test_what_is_no_number_is_no_answer(value):
    text = json.dumps({"outputs": [[[[0, 0.5, value]]]]}).encode()
    with give(page(text)) as url, pytest.raises(ServingError, match="no answer of TensorFlow Serving"):
        Client(url).denoise(FLOATS[:1, :1].repeat(3, -1))


def test_integers_that_an_answer_writes_as_floats_are_taken():
    with give(outputs([[[[0.0, 1, 2.0, 3e0, 255]]]])) as url:
        np.testing.assert_array_equal(Client(url).denoise(FIVE), [[[0, 1, 2, 3, 255]]])


def huge_png():
    """A file of 100 bytes for 60,000 × 60,000 pixels."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (huge_png(), r"an image of \(4, 4, 1\) came back as \(60000, 60000\)"),
        (bytes(imagecodecs.png_encode(np.full((4, 4), 300, np.uint16))), "an image of uint8 came back as uint16"),
        (bytes(imagecodecs.png_encode(np.zeros((4, 3), np.uint8))), r"\(4, 4, 1\) came back as \(4, 3\)"),
    ],
)
def test_a_png_of_another_size_or_depth_is_refused(answer, message):
    packed = outputs([{"b64": base64.b64encode(answer).decode()}])
    with give(packed) as url, pytest.raises(ServingError, match=message):
        Client(url).denoise(BYTES)
