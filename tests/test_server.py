"""What is the local server's own: versions that come and go, limits, hostile requests, start and stop."""

import base64
import contextlib
import gzip
import http.client
import io
import json
import logging
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import grpc
import imagecodecs
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import (
    classification_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

import n2n_tf
from n2n_tf.config import RunError, ServeConfig, UsageError
from n2n_tf.exporting.cpp_loader import CppModel, SessionError
from n2n_tf.files import write
from n2n_tf.serving import Client, ServingError
from n2n_tf.serving.server import Server
from n2n_tf.serving.sizes import pixels_of
from n2n_tf.serving.versions import Versions

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
PNG = bytes(imagecodecs.png_encode(IMAGE))


@pytest.fixture
def models(served, tmp_path):
    """A folder with n2n/1 of its own, without warm-up, which takes longer than all the rest."""
    shutil.copytree(served[1] / "n2n", tmp_path / "n2n", ignore=lambda *_: ["assets.extra"])
    return tmp_path


def started(*places, **settings):
    server = Server(places, ServeConfig(**{"rest_port": 0, "grpc_port": 0, "poll": 0.05, **settings}))
    server.rest, server.grpc = f"http://127.0.0.1:{server.rest_port}", f"grpc://127.0.0.1:{server.grpc_port}"
    return server


@pytest.fixture(scope="module")
def server(served):
    """With the settings that the command has."""
    server = started(served[1] / "n2n")
    yield server
    server.stop()


@pytest.fixture
def serve(models):
    """Start servers of `models`/n2n, stop them in the end."""
    servers = []

    def start(*places, **settings):
        servers.append(started(*places or [models / "n2n"], **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def get(url, data=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def body_of(file=PNG):
    return json.dumps({"signature_name": "encoded", "instances": [{"b64": base64.b64encode(file).decode()}]}).encode()


def predict(server, body=None):
    return get(server.rest + "/v1/models/n2n:predict", body_of() if body is None else body)


def states(server, name="n2n"):
    """{number: state}."""
    status = json.loads(get(f"{server.rest}/v1/models/{name}")[1])["model_version_status"]
    return {int(each["version"]): each["state"] for each in status}


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def held(monkeypatch):
    """An event; while it is cleared the models keep their requests."""
    event, run = threading.Event(), CppModel.run
    event.set()

    def wait_and_run(self, *args):
        event.wait(20)
        return run(self, *args)

    monkeypatch.setattr(CppModel, "run", wait_and_run)
    yield event
    event.set()


# ---------------------------------------------------------------- versions


def test_a_new_version_takes_over_and_no_request_is_lost(serve, models):
    server, answers, errors, ended = serve(), [], [], threading.Event()

    def ask():
        stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(server.grpc[7:]))
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = "n2n", "encoded"
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([PNG]))
        while not ended.is_set():
            try:
                answers.append(stub.Predict(request, timeout=20).model_spec.version.value)
            except grpc.RpcError as error:
                errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_for(lambda: answers)
    shutil.copytree(models / "n2n" / "1", models / "aside")
    (models / "aside").rename(models / "n2n" / "2")
    try:
        wait_for(lambda: states(server) == {1: "END", 2: "AVAILABLE"} and answers[-1] == 2)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not errors
    assert set(answers) == {1, 2}
    shutil.rmtree(models / "n2n" / "2")  # and back
    wait_for(lambda: states(server) == {1: "AVAILABLE", 2: "END"})


def test_a_version_in_use_is_not_closed(serve, models, held):
    server, answers = serve(), []
    held.clear()
    thread = threading.Thread(target=lambda: answers.append(predict(server)[0]))
    thread.start()
    wait_for(lambda: server.models.versions("n2n").statuses()[1].users == 1)
    shutil.copytree(models / "n2n" / "1", models / "n2n" / "2")
    wait_for(lambda: states(server) == {1: "UNLOADING", 2: "AVAILABLE"})
    held.set()
    thread.join()
    assert answers == [200]
    wait_for(lambda: states(server) == {1: "END", 2: "AVAILABLE"})


def test_a_version_that_is_copied_slowly_is_taken_when_it_is_whole(serve, models):
    server, source, target = serve(), models / "n2n" / "1", models / "n2n" / "2"
    for path in sorted(source.rglob("*"), key=lambda path: (path.suffix == ".pb", path)):  # the graph comes last
        if path.is_dir():
            continue
        data, copy = path.read_bytes(), target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(data[: len(data) // 2])
        time.sleep(0.12)
        assert predict(server)[0] == 200
        copy.write_bytes(data)
    wait_for(lambda: states(server) == {1: "END", 2: "AVAILABLE"})
    assert predict(server)[0] == 200


VARIABLES = "variables/variables.data-00000-of-00001"


@pytest.mark.parametrize("name", ["saved_model.pb", VARIABLES, "assets.extra/tf_serving_warmup_requests"])
def test_a_corrupt_version_is_told_and_the_old_one_answers(name, serve, served, models, caplog):
    server = serve()
    shutil.copytree(served[1] / "n2n" / "1", models / "aside")
    data = bytearray((models / "aside" / name).read_bytes())
    for place in range(len(data) // 2):  # from the first tag on: saved_model.pb has no checksum
        data[place] ^= 255
    (models / "aside" / name).write_bytes(data)
    (models / "aside").rename(models / "n2n" / "2")
    with caplog.at_level(logging.WARNING, "n2n_tf"):
        wait_for(lambda: states(server).get(2) == "END")
        time.sleep(0.2)
    assert states(server) == {1: "AVAILABLE", 2: "END"}
    assert predict(server)[0] == 200
    assert len([each for each in caplog.records if "version 2 cannot be loaded" in each.message]) == 1
    for number in (1, 2):
        (found,) = json.loads(get(f"{server.rest}/v1/models/n2n/versions/{number}")[1])["model_version_status"]
        status = found["status"]
        assert found["version"] == str(number)
        assert [status["error_code"] == "OK", status["error_message"] == ""] == [number == 1] * 2


def test_a_configuration_serves_several_models_and_is_read_again(serve, models, caplog):
    shutil.copytree(models / "n2n" / "1", models / "n2n" / "2")
    config = models / "models.config"
    one = 'config {{ name: "{}" base_path: "{}" model_platform: "tensorflow" {} }}'
    policy = "model_version_policy {{ specific {{ versions: {} }} }} version_labels {{ key: 'stable' value: {} }}"
    text = "model_config_list {" + one.format("n2n", models / "n2n", policy.format(1, 1))
    config.write_text(text + one.format("other", models / "n2n", "model_version_policy { all {} }") + "}")
    server = serve(config)
    assert (states(server), states(server, "other")) == ({1: "AVAILABLE"}, {1: "AVAILABLE", 2: "AVAILABLE"})
    stable = server.rest + "/v1/models/n2n/labels/stable:predict"
    assert get(stable, body_of())[0] == 200
    config.write_text("model_config_list {" + one.format("n2n", models / "n2n", policy.format(2, 2)) + "}")
    wait_for(lambda: get(server.rest + "/v1/models/other")[0] == 404 and states(server) == {1: "END", 2: "AVAILABLE"})
    assert get(stable, body_of())[0] == 200
    with caplog.at_level(logging.WARNING, "n2n_tf"):  # a wrong folder does not take the model down
        config.write_text("model_config_list {" + one.format("n2n", models / "no", "") + "}")
        wait_for(lambda: "no version of it can be loaded from" in caplog.text)
        assert states(server)[2] == "AVAILABLE"
        shutil.copytree(models / "n2n", models / "no")
        wait_for(lambda: states(server) == {2: "AVAILABLE"})
        config.write_text("model_config_list {" + one.format("n2n", models / "no", policy.format(2, 2)) + "}")
        wait_for(lambda: get(stable, body_of())[0] == 200)
        caplog.clear()
        write(config, lambda temporary: temporary.write_text("model_config_list {"))  # never seen empty
        time.sleep(0.3)
    assert [each.message for each in caplog.records if "the old configuration stays" in each.message][1:] == []
    assert caplog.records
    assert get(stable, body_of())[0] == 200


def test_a_label_moves_only_to_a_version_that_answers(serve, models, caplog):
    config = models / "models.config"
    text = (
        'model_config_list {{ config {{ name: "n2n" base_path: "%s" model_platform: "tensorflow" '
        "model_version_policy {{ specific {{ versions: {0} }} }} version_labels {{ key: 'stable' value: {0} }} }} }}"
    ) % (models / "n2n")
    config.write_text(text.format(1))
    server = serve(config)
    stable = server.rest + "/v1/models/n2n/labels/stable:predict"
    with caplog.at_level(logging.WARNING, "n2n_tf"):
        config.write_text(text.format(3))  # which is not there
        wait_for(lambda: "label stable stays on version 1: version 3 is not available" in caplog.text)
        time.sleep(0.3)
    assert (get(stable, body_of())[0], states(server)) == (200, {1: "AVAILABLE"})
    assert len([each for each in caplog.records if "label stable" in each.message]) == 1  # said once
    shutil.copytree(models / "n2n" / "1", models / "n2n" / "3.coming")
    (models / "n2n" / "3.coming").rename(models / "n2n" / "3")
    wait_for(lambda: states(server) == {1: "END", 3: "AVAILABLE"})
    assert get(stable, body_of())[0] == 200


# ---------------------------------------------------------------- limits


def test_a_large_body_is_refused(serve):
    server = serve(max_body=10_000)
    large = body_of(PNG + bytes(12_000))
    assert predict(server, large) == (413, '{"error":"the request has more than 10000 bytes (--max-body)"}')
    assert predict(server, b" " * 10**6)[0] == 413
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port)
    connection.request("POST", "/v1/models/n2n:predict", iter([large[:8000], large[8000:]]), encode_chunked=True)
    assert connection.getresponse().status == 413
    with pytest.raises(ServingError, match="RESOURCE_EXHAUSTED"):
        Client(server.grpc).denoise(np.zeros((100, 100, 3), np.uint8))
    assert predict(server)[0] == 200


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_too_many_pixels_are_refused(dtype, serve):
    """Counted as they are padded for the network: many or thin images would pass otherwise."""
    server = serve(max_pixels=32 * 64 - 1)
    for url, code in ((server.rest, "413"), (server.grpc, "INVALID_ARGUMENT")):
        for shape in ((30, 40, 3), (1, 33, 3), (40, 2, 3)):
            with pytest.raises(ServingError, match=f"{code} the request has 2048 pixels, .* at most 2047 are accepted"):
                Client(url).denoise(np.zeros(shape, dtype))
        assert Client(url).denoise(np.zeros((32, 32, 3), dtype)).shape == (32, 32, 3)
    many = json.dumps({"instances": np.zeros((2, 1, 1, 3)).tolist()}).encode()
    assert predict(server, many)[0] == 413


def test_one_number_that_stands_for_all_is_not_expanded_before_its_size_is_known(server):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "n2n"
    image = request.inputs["image"]
    image.dtype = tf.float32.as_datatype_enum
    image.float_val.append(0.5)
    stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(server.grpc[7:]))
    for sizes in ((1, 10**6, 10**6, 3), (1, -1, 4, 3)):
        image.ClearField("tensor_shape")
        for size in sizes:
            image.tensor_shape.dim.add(size=size)
        with pytest.raises(grpc.RpcError, match="tensor parsing error: image"):
            stub.Predict(request)


def test_who_comes_to_a_full_server_is_told_to_come_again(serve, held):
    server, answers = serve(concurrency=1, queue=1), []
    held.clear()
    threads = [threading.Thread(target=lambda: answers.append(predict(server)[0])) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_for(lambda: answers == [429])
    with pytest.raises(ServingError, match="RESOURCE_EXHAUSTED 2 requests are in the server"):
        Client(server.grpc).denoise(PNG)
    assert get(server.rest + "/v1/models/n2n")[0] == 200  # probes still see it
    held.set()
    for thread in threads:
        thread.join()
    assert answers == [429, 200, 200]


def test_nobody_waits_for_ever(serve, held):
    server = serve(concurrency=1, timeout=1)
    held.clear()
    thread = threading.Thread(target=predict, args=(server,))
    thread.start()
    wait_for(lambda: server.models.versions("n2n").statuses()[1].users == 1)
    assert predict(server) == (504, '{"error":"waited too long for the requests before it"}')
    with pytest.raises(ServingError, match="DEADLINE_EXCEEDED"):
        Client(server.grpc, timeout=0.1).denoise(PNG)
    held.set()
    thread.join()


def test_the_work_of_a_client_that_left_is_not_done(serve, held, monkeypatch):
    server, runs = serve(concurrency=1), []
    held.clear()
    monkeypatch.setattr(CppModel, "run", lambda *args, run=CppModel.run: runs.append(1) or run(*args))
    first = threading.Thread(target=predict, args=(server,))
    first.start()
    wait_for(lambda: runs)
    with socket.create_connection(("127.0.0.1", server.rest_port)) as connection:
        body = body_of()
        head = f"POST /v1/models/n2n:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        time.sleep(0.2)
    with pytest.raises(ServingError, match="DEADLINE_EXCEEDED"):
        Client(server.grpc, timeout=0.1).denoise(PNG)
    time.sleep(0.2)
    held.set()
    first.join()
    assert predict(server)[0] == 200
    assert len(runs) == 2


def test_a_slow_sender_holds_up_nobody(serve):
    server = serve(concurrency=1, timeout=0.5)
    with socket.create_connection(("127.0.0.1", server.rest_port)) as connection:
        connection.sendall(b"POST /v1/models/n2n:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        assert predict(server)[0] == 200
        connection.settimeout(10)
        assert b"408" in connection.recv(1000)


# ---------------------------------------------------------------- hostile requests


def png_of(width, height, data):
    """A PNG whose header says width × height RGB, with compressed data of your own."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_bombs_are_refused_at_once(server):
    deflate, size = zlib.compressobj(9, wbits=-15), 90_001 * 1000  # black rows
    rows = deflate.compress(bytes(size)) + deflate.flush(zlib.Z_FULL_FLUSH)
    adler = (30 * size % 65521) << 16 | 1  # of zeros
    whole = png_of(30_000, 30_000, b"\x78\xda" + rows * 30 + b"\x03\0" + struct.pack(">I", adler))
    assert 2.5e6 < len(whole) < 2.8e6
    predict(server)
    for bomb in (whole, png_of(30_000, 30_000, b"")):
        body = body_of(bomb)
        seconds = []
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", server.rest_port)
            connection.connect()
            head = f"POST /v1/models/n2n:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sock.sendall(head.encode() + body[:-1])
            time.sleep(0.1)
            begin = time.monotonic()
            connection.sock.sendall(body[-1:])
            response = http.client.HTTPResponse(connection.sock)
            response.begin()
            seconds.append(time.monotonic() - begin)
            assert response.status == 413
            assert b"has 900960256 pixels" in response.read()
        assert min(seconds) < 0.1, seconds
        with pytest.raises(ServingError, match="INVALID_ARGUMENT the request has 900960256 pixels"):
            Client(server.grpc).denoise(bomb)


def mutated(data, random, kinds=4):
    """A few bytes changed; with 4 kinds cut or doubled too, which no message survives."""
    data = bytearray(data)
    for _ in range(random.integers(1, 6)):
        place, kind = int(random.integers(len(data))), random.integers(kinds)
        if kind == 0:
            data[place] = random.integers(256)
        elif kind == 1:
            data[place] ^= 1 << random.integers(8)
        elif kind == 2:
            del data[place : place + int(random.integers(1, 20))]
        else:
            data[place:place] = data[place : place + int(random.integers(1, 20))]
        data = data or bytearray(b"x")
    return bytes(data)


def test_mutated_requests_never_hurt(server, caplog):
    random = np.random.default_rng(0)
    jpeg = io.BytesIO()
    Image.fromarray(IMAGE).save(jpeg, "JPEG")
    floats = json.dumps({"instances": [(IMAGE[:2, :3] / 255).tolist()]}).encode()
    proto = predict_pb2.PredictRequest()
    proto.model_spec.name, proto.model_spec.signature_name = "n2n", "uint8"
    proto.inputs["image"].CopyFrom(tf.make_tensor_proto(IMAGE[None, :4, :4]))
    plain = lambda value: value  # noqa: E731
    with grpc.insecure_channel(server.grpc[7:]) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict", plain, plain)
        statuses, codes, texts = [], [], []
        for number in range(200):
            if number % 5 == 4:
                result = call.future(mutated(proto.SerializeToString(), random, kinds=2), timeout=10)
                codes.append(result.code().name)
                texts.append(result.details())
                continue
            bodies = [body_of(mutated(PNG, random)), body_of(mutated(jpeg.getvalue(), random)),
                      mutated(body_of(), random), mutated(floats, random)]  # fmt: skip
            status, text = predict(server, bodies[number % 5])
            statuses.append(status)
            assert set(json.loads(text)) <= {"predictions", "error", "outputs"}
            texts.append(text)
    assert not [text for text in texts if "Traceback" in text]
    assert set(statuses) == {200, 400, 413}
    assert set(codes) <= {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "INTERNAL"}
    assert {"OK"} < set(codes)
    assert not [record for record in caplog.records if record.name.startswith("n2n_tf")]
    np.testing.assert_array_equal(Client(server.grpc).denoise(IMAGE), Client(server.rest).denoise(IMAGE))


# ---------------------------------------------------------------- what else it offers


def test_what_is_not_offered_says_so(server):
    channel = grpc.insecure_channel(server.grpc[7:])
    predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    models = model_service_pb2_grpc.ModelServiceStub(channel)
    for call, request in (
        (predictions.Classify, classification_pb2.ClassificationRequest()),
        (models.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest()),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call(request)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert get(server.rest + "/v1/models/n2n:classify", b"{}")[0] == 400
    status, text = get(server.rest + "/v1/models/n2n:regress", b"{}")
    assert (status, "not offered" in text) == (400, True)
    assert get(server.rest + "/nothing")[0] == 404
    request = urllib.request.Request(server.rest + "/v1/models/n2n:predict", b"x", {"Content-Encoding": "gzip"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)


@pytest.mark.parametrize("dtype", range(130))
def test_no_dtype_is_a_failure_of_the_server(dtype, server, caplog):
    """DT_VARIANT and numbers that are no dtype were INTERNAL, with a traceback in the log."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "n2n", "uint8"
    tensor = request.inputs["image"]
    tensor.dtype = dtype
    for side in (1, 1, 1, 3):
        tensor.tensor_shape.dim.add(size=side)
    tensor.int_val.extend([1, 2, 3])
    with grpc.insecure_channel(server.grpc[7:]) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        if dtype == tf.uint8.as_datatype_enum:
            assert stub.Predict(request).outputs
            return
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(request)
    assert (caught.value.code(), caplog.text) == (grpc.StatusCode.INVALID_ARGUMENT, "")


def test_lists_of_the_wrong_rank_are_refused_early(server):
    """Rows that cannot be images cost no more than to parse them; it was 1.9 s of CPU for a megabyte."""
    body = ('{"instances": [' + ",".join(["[]"] * 350_000) + "]}").encode()
    begin = time.process_time()
    json.loads(body)
    parsing, begin = time.process_time() - begin, time.process_time()
    status, text = predict(server, body)
    assert (status, "Shape of image [?, 0] is not compatible with expected shape [?, ?, ?, 3]" in text) == (
        400,
        True,
    ), text
    assert time.process_time() - begin < 0.5 + 5 * parsing


def test_a_packed_body_is_unpacked_within_the_limit(serve):
    server = serve(max_body=100_000)
    call, header = server.rest + "/v1/models/n2n:predict", {"Content-Encoding": "gzip"}
    for body, status in (
        (gzip.compress(body_of()), 200),
        (gzip.compress(bytes(10**8)), 413),
        (gzip.compress(body_of())[:-9], 400),
        (b"", 400),
    ):
        try:
            found = urllib.request.urlopen(urllib.request.Request(call, body, header)).status
        except urllib.error.HTTPError as error:
            found = error.code
        assert found == status, body[:20]


def test_metrics_are_prometheuss(serve):
    parser = pytest.importorskip("prometheus_client.parser")
    server = serve()
    predict(server)
    Client(server.grpc).denoise(PNG)
    predict(server, b"{}")
    get(server.rest + "/v1/models/n2n")
    get(server.rest + "/v1/models/n2n/metadata")
    get(server.rest + '/v1/models/x"y:predict', body_of())
    status, text = get(server.rest + "/monitoring/prometheus/metrics")
    assert status == 200
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    count, latency = ":tensorflow:serving:request_count_total", ":tensorflow:serving:request_latency"  # its parser's
    assert '\n:tensorflow:serving:request_count{model_name="n2n",status="OK"} 4\n' in text
    assert samples[count, ("model_name", "n2n"), ("status", "OK")] == 4
    assert samples[count, ("model_name", "n2n"), ("status", "INVALID_ARGUMENT")] == 1
    assert samples[count, ("model_name", "unknown"), ("status", "NOT_FOUND")] == 1
    for api, entry, number in (("predict", "REST", 1), ("Predict", "GRPC", 1), ("", "REST", 2)):  # as the real server
        labels = [("API", api), ("entrypoint", entry), ("model_name", "n2n")]
        assert samples[(latency + "_count", *labels)] == number
    buckets = [value for (name, *_), value in samples.items() if name == latency + "_bucket"]
    assert buckets[:34] == sorted(buckets[:34])
    assert 0 < samples[(latency + "_sum", *labels)] < 20e6


def test_a_failure_that_nobody_foresaw_is_logged_and_not_told(server, monkeypatch, caplog):
    monkeypatch.setattr(CppModel, "run", lambda *_: 1 / 0)
    assert predict(server) == (500, '{"error":"internal error; the server\'s log says more"}')
    with pytest.raises(ServingError, match="INTERNAL internal error; the server's log says more"):
        Client(server.grpc).denoise(PNG)
    assert "ZeroDivisionError" in caplog.text


def test_what_the_session_says_keeps_its_code(server, monkeypatch):

    def fail(*_):
        raise SessionError("out of memory", 8)

    monkeypatch.setattr(CppModel, "run", fail)
    assert predict(server) == (429, '{"error":"out of memory"}')


# ---------------------------------------------------------------- start and stop


def test_requests_in_the_server_are_answered_before_it_stops(serve, held):
    server, answers = serve(), []
    held.clear()
    threads = [
        threading.Thread(target=lambda: answers.append(predict(server)[0])),
        threading.Thread(target=lambda: answers.append(len(Client(server.grpc).denoise(PNG)))),
    ]
    for thread in threads:
        thread.start()
    wait_for(lambda: server.models.versions("n2n").statuses()[1].users == 2)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    wait_for(lambda: server._service.gate.closed)
    with pytest.raises(OSError, match=r"503|refused|reset"):
        urllib.request.urlopen(server.rest + "/healthz", timeout=5)
    held.set()
    for thread in (stopping, *threads):
        thread.join()
    assert sorted(answers)[0] == 200
    assert sorted(answers)[1] > 200


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "no", r"no: no such directory; wanted what export.py --output wrote"),
        (lambda folder: folder, r"holds no version of a model, such as .*/1; wanted what python export.py"),
        (lambda folder: folder / "n2n" / "1", r"holds no version of a model.*wanted .*n2n, which holds this version"),
        (lambda folder: folder / "n2n" / "1" / "saved_model.pb", "is no models.config of TensorFlow Serving"),
    ],
)
def test_places_without_a_model(make, message, serve, models):
    with pytest.raises(UsageError, match=message):
        serve(make(models))


def test_models_of_one_name_and_ports_in_use(serve, models):
    shutil.copytree(models / "n2n", models / "b" / "n2n")
    with pytest.raises(UsageError, match="models n2n, n2n: wanted different names"):
        serve(models / "n2n", models / "b" / "n2n")
    server = serve()
    for name in ("rest_port", "grpc_port"):
        with pytest.raises(RunError, match=rf"--{name.replace('_', '-')} .*cannot listen on 127.0.0.1"):
            serve(**{name: getattr(server, name)})


def test_a_model_that_cannot_be_loaded(serve, models):
    (models / "n2n" / "1" / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(RunError, match="n2n: no version of it can be loaded from"):
        serve()


def test_small_mistakes_have_small_errors(server):
    """Indents of deep lists could make a thousand times the request; a lone surrogate is no UTF-8."""
    deep = b"[" * 400 + b"1" + b"]" * 400
    for body in (deep, b'{"instances": [' + deep + b"," + b'"' + b"x" * 10**6 + b'"]}', b"[" * 900 + b"]" * 900,
                 b"[" * 10**5, b'{"inputs": ' + b"[" * 900 + b"]" * 900 + b"}", b'{"signature_name": "\\ud800"}',
                 b'{"\\ud800": 1}', b"\xff", b'{"inputs": [1' + b"0" * 5000 + b"]}"):  # fmt: skip
        status, text = predict(server, body)
        assert (status, set(json.loads(text))) == (400, {"error"}), body[:30]
        assert len(text) < 3000


def test_a_look_that_fails_is_not_the_last(serve, models, monkeypatch, caplog):
    server, failures = serve(), [OSError("the file server is away")] * 2

    def on_disk(self, look=Versions._on_disk):
        if failures and self.folder == models / "n2n":
            raise failures.pop()
        return look(self)

    monkeypatch.setattr(Versions, "_on_disk", on_disk)
    wait_for(lambda: not failures)
    shutil.copytree(models / "n2n" / "1", models / "n2n" / "2")
    wait_for(lambda: states(server).get(2) == "AVAILABLE")
    assert len([each for each in caplog.records if "the file server is away" in each.message]) == 1


def test_a_link_is_served_under_its_own_name(serve, models):
    (models / "best").symlink_to("n2n")
    server = serve(models / "best")
    assert get(server.rest + "/v1/models/best")[0] == 200
    assert 'value="best"' in get(server.rest + "/")[1]


def test_when_the_grace_is_over_nothing_more_is_begun(serve, held, monkeypatch):
    server, runs, ends = serve(concurrency=1, grace=0.4), [], []
    monkeypatch.setattr(CppModel, "run", lambda *args, run=CppModel.run: runs.append(1) or run(*args))

    def ask():
        with contextlib.suppress(OSError, http.client.HTTPException):
            ends.append(predict(server)[0])

    held.clear()
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_for(lambda: runs)
    time.sleep(0.2)
    server.stop()
    held.set()
    for thread in threads:
        thread.join()
    time.sleep(0.2)
    assert len(runs) == 1
    assert 200 not in ends


@pytest.mark.parametrize("name", ["concurrency", "queue", "timeout", "max_body", "poll", "rest_port", "grace"])
def test_settings_that_cannot_be(name):
    for value in (-1, 2**40, *([float("nan"), float("inf")] if name in ("timeout", "poll", "grace") else [])):
        with pytest.raises(UsageError, match=f"`{name}` {value}: wanted"):
            ServeConfig(**{name: value})


def test_the_command(models, served):
    command = [sys.executable, "-m", "n2n_tf", "serve", str(models / "n2n"), "--rest-port", "0", "--grpc-port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(Path(n2n_tf.__file__).parents[1])}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        address = process.stdout.readline().split()[1].partition("/v1/")[0].rstrip(",")
        assert get(address + "/healthz") == (200, "ok")
        result = json.loads(get(address + "/v1/models/n2n:predict", body_of())[1])["predictions"][0]["b64"]
        expected = n2n_tf.denoise(served[0], IMAGE)
        np.testing.assert_array_equal(imagecodecs.png_decode(base64.b64decode(result)), expected)
        curl = f"curl -s -d @- {address}/v1/models/n2n:predict"
        if shutil.which("curl"):
            done = subprocess.run(curl.split(), input=body_of(), capture_output=True, check=True)
            assert json.loads(done.stdout)["predictions"][0]["b64"] == result
    finally:
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=30)[1]
    assert (process.returncode, "Traceback" in errors) == (0, False)


def test_the_command_reports_wrong_use(models):
    for place, status in ((models / "no", 2), (models, 2)):
        done = subprocess.run([sys.executable, "-m", "n2n_tf", "serve", str(place)], capture_output=True, text=True)
        assert (done.returncode, "Traceback" in done.stderr) == (status, False)
        assert str(place) in done.stderr


def test_a_request_of_just_the_limit_is_answered(serve):
    server = serve(max_pixels=32 * 64)
    for url in (server.rest, server.grpc):
        for image in (np.zeros((30, 40, 3), np.uint8), np.zeros((32, 64, 3), np.float32), PNG):
            assert len(Client(url).denoise(image)) > 0


def test_pixels_are_counted_as_they_are_padded():
    buffer = io.BytesIO()
    Image.new("RGB", (10, 70)).save(buffer, "JPEG")
    jpeg, png = buffer.getvalue(), png_of(2**20 + 1, 33, b"")
    for value, pixels in (
        (np.array([jpeg], object), 96 * 32), (np.array([[png], [jpeg]], object), (2**20 + 32) * 64 + 96 * 32),
        (np.array([b"", jpeg[:9], png[:20], b"GIF89a"], object), 0), (np.zeros((3, 1, 33, 2)), 3 * 32 * 64),
        (np.array([b"RGGB"], object), 0),
    ):  # fmt: skip
        assert pixels_of(value) == pixels


def test_the_highest_version_answers_and_is_let_go_after_failures_too(models):
    shutil.copytree(models / "n2n" / "1", models / "n2n" / "2")
    versions = Versions("n2n", models / "n2n", lambda numbers: numbers)
    versions.poll()
    with versions.use(None) as (number, _):
        assert (number, [version.users for version in versions.statuses().values()]) == (2, [1, 0])
    with pytest.raises(ZeroDivisionError), versions.use(None):
        1 / 0  # noqa: B018
    with versions.use(1) as (number, _):
        assert number == 1
    assert [version.users for version in versions.statuses().values()] == [0, 0]
    versions.unload()
    assert versions.is_closed()
    assert {version.state for version in versions.statuses().values()} == {"END"}


def test_a_version_mended_without_a_change_of_its_size_is_loaded(models):
    """What tells it is the time of its file; while nothing changes it is not tried again."""
    path, versions = models / "n2n" / "1" / "saved_model.pb", Versions("n2n", models / "n2n", lambda numbers: numbers)
    whole = path.read_bytes()
    path.write_bytes(b"\xff" * len(whole))
    os.utime(path, (10**9, 10**9))
    versions.poll()
    first = versions.statuses()[1]
    versions.poll()
    assert (first.state, versions.statuses()[1] is first) == ("END", True)
    path.write_bytes(whole)
    versions.poll()
    assert versions.available() == [1]
    versions.unload()
