"""What slow, silent, many or foreign peers cannot do to the local server, and how it ends with them."""

import contextlib
import http.client
import json
import logging
import os
import queue
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

import n2n_tf
from n2n_tf.cli.seldom import Seldom
from n2n_tf.config import ServeConfig
from n2n_tf.exporting.cpp_loader import CppModel
from n2n_tf.serving.server import Server

PREDICT, STATUS = "/tensorflow.serving.PredictionService/Predict", "/tensorflow.serving.ModelService/GetModelStatus"
BODY = json.dumps({"instances": np.zeros((1, 4, 4, 3)).tolist()}).encode()
SLOW = b"POST /v1/models/n2n:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"


@pytest.fixture(scope="module")
def model(served, tmp_path_factory):
    """Without warm-up, which takes longer than all the rest."""
    folder = tmp_path_factory.mktemp("models") / "n2n"
    shutil.copytree(served[1] / "n2n", folder, ignore=lambda *_: ["assets.extra"])
    return folder


def started(model, **settings):
    return Server([model], ServeConfig(**{"rest_port": 0, "grpc_port": 0, **settings}))


@pytest.fixture(scope="module")
def server(model):
    """With the settings that the command has."""
    server = started(model)
    yield server
    server.stop()


@pytest.fixture
def serve(model):
    """Start servers in this process, stop them in the end."""
    with contextlib.ExitStack() as stack:

        def start(**settings):
            server = started(model, **settings)
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def process(model, tmp_path):
    """Start `n2n-tf serve` with these flags, which may open so many files."""
    with contextlib.ExitStack() as stack:

        def start(*flags, files):
            command = [sys.executable, "-m", "n2n_tf", "serve", str(model), "--rest-port", "0", "--grpc-port", "0"]
            process = subprocess.Popen(
                ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command, *flags], stdout=subprocess.PIPE,
                stderr=stack.enter_context(open(tmp_path / "log", "w")), text=True,
                env={**os.environ, "PYTHONPATH": str(Path(n2n_tf.__file__).parents[1])},
            )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.kill)
            said = process.stdout.readline()
            process.rest_port = int(said.split("127.0.0.1:")[1].partition("/")[0])
            process.grpc_port = int(said.split("127.0.0.1:")[2])
            return process

        yield start


@pytest.fixture
def held(monkeypatch):
    """An event; while it is cleared the models keep their requests."""
    event, run = threading.Event(), CppModel.run
    event.set()
    monkeypatch.setattr(CppModel, "run", lambda *args: event.wait(20) and run(*args))
    yield event
    event.set()


def ask(server, path="/v1/models/n2n:predict", body=BODY, headers=None, method=None):
    """(status, text, headers) of the REST API."""
    url = f"http://127.0.0.1:{server.rest_port}{path}"
    try:
        request = urllib.request.Request(url, body, headers or {}, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode(), response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def message():
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "n2n"
    request.inputs["image"].CopyFrom(tf.make_tensor_proto(np.zeros((1, 4, 4, 3), np.float32)))
    return request.SerializeToString()


def call(server, data, method=PREDICT, timeout=10):
    """(code, details) of the gRPC API, over a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options) as channel:
        done = channel.unary_unary(method).future(data, timeout=timeout)
        return done.code().name, done.details()


@contextlib.contextmanager
def silent_calls(server, number):
    """So many that were begun and have sent no message."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        ends = [queue.Queue() for _ in range(number)]
        yield [channel.stream_unary(PREDICT).future(iter(end.get, None)) for end in ends]
        for end in ends:
            end.put(None)


@contextlib.contextmanager
def connections(port, number, data=b""):
    """So many at once; one too many waits to be taken."""
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in opened:
            each.settimeout(5 if data else 0)
            with contextlib.suppress(BlockingIOError):
                each.connect(("127.0.0.1", port))
        for each in opened if data else ():
            each.sendall(data)
        yield opened


def wait_for(condition, seconds=10):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


# ---------------------------------------------------------------- arrival


def test_calls_without_a_message_keep_nobody_out(serve):
    server = serve(timeout=3)
    for number in (45, 500):
        with silent_calls(server, number) as calls:
            given_up = max(0, number - server._service.gate.arriving)
            wait_for(lambda calls=calls, given_up=given_up: sum(each.done() for each in calls) == given_up)
            assert call(server, message())[0] == "OK"
            assert call(server, b"\x0a\x05\x0a\x03n2n", STATUS)[0] == "OK"
            assert ask(server)[0] == 200
            codes = {each.code().name for each in calls[:given_up]}
            assert codes == ({"RESOURCE_EXHAUSTED"} if given_up else set())
            wait_for(lambda calls=calls: all(each.done() for each in calls))  # --timeout covers arrival
            assert "DEADLINE_EXCEEDED the request did not arrive within 3 s (--timeout)" in {
                f"{each.code().name} {each.details()}" for each in calls
            }


def test_bodies_that_never_end_keep_nobody_out(server):
    with connections(server.rest_port, server._service.gate.arriving + 6, SLOW) as opened:
        wait_for(lambda: len(select.select(opened, [], [], 0)[0]) == 6)
        assert {each.recv(12) for each in select.select(opened, [], [], 0)[0]} == {b"HTTP/1.1 429"}
        assert ask(server)[0] == 200
        assert call(server, message())[0] == "OK"


def test_what_comes_slowly_is_given_up_after_the_timeout(serve):
    """A byte at a time is no life sign, of a first request or of a second one over the same connection."""
    server = serve(timeout=0.5)
    slow = b"GET /healthz HTTP/1.1\r\nX: " + b"y" * 100
    for before in (b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"):
        with connections(server.rest_port, 1, before) as (connection,):
            connection.settimeout(0.05)
            begin, ended = time.monotonic(), False
            for byte in slow:
                with contextlib.suppress(TimeoutError):
                    connection.sendall(bytes([byte]))
                    while not ended and (said := connection.recv(1000)) is not None:
                        ended = not said
                if ended:
                    break
            assert ended
            assert 0.4 < time.monotonic() - begin < 2.5


def test_a_message_that_cannot_be_parsed(server):
    told = "the message is no tensorflow.serving."
    assert call(server, b"\xff" * 64) == ("INTERNAL", told + "PredictRequest")
    assert call(server, b"\xff" * 64, STATUS) == ("INTERNAL", told + "GetModelStatusRequest")
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED") as caught:
            channel.stream_unary(PREDICT)(iter([]), timeout=10)
        assert caught.value.details() == "the call ended without a message; wanted one"
        status = channel.unary_unary(STATUS)(b"\x0a\x05\x0a\x03n2n", timeout=10)
    assert get_model_status_pb2.GetModelStatusResponse.FromString(status).model_version_status[0].version == 1


# ---------------------------------------------------------------- a real process


def test_idle_connections_and_bad_requests_fill_neither_log_nor_memory(process, tmp_path):
    """It was 6 MB of log in a second, and no answer while the connections stayed; 19 kB for each broken message."""
    server, before = process(files=150), 0
    with connections(server.rest_port, 600):
        assert ask(server)[0] == 200
        assert call(server, message())[0] == "OK"
    for _ in range(20):
        with connections(server.rest_port, 1, b"no HTTP\r\n\r\n") as (connection,):
            assert connection.recv(1000).startswith(b"HTTP/1.1 400")
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        predict = channel.unary_unary(PREDICT)
        for number in range(3500):
            before = resident(server.pid) if number == 500 else before
            assert predict.future(b"\xff" * 64, timeout=10).code() is grpc.StatusCode.INTERNAL
    assert resident(server.pid) - before < 3000 * 5
    log = (tmp_path / "log").read_text()
    assert log.count("\n") < 5
    assert log.count("Invalid HTTP request received.") == 1


def resident(pid):
    """In kB."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])


def test_grace_is_an_end(process, tmp_path):
    server = process("--grace", "1", files=1000)
    with (
        silent_calls(server, 5),
        connections(server.rest_port, 5, SLOW) as slow,
        connections(server.rest_port, 5),
        connections(server.rest_port, 5, SLOW[:20]),
    ):
        ask(server)
        begin = time.monotonic()
        server.send_signal(signal.SIGTERM)
        wait_for(lambda: ask(server, "/healthz", None)[0] == 503)
        for path, body in (("/v1/models/n2n:predict", BODY), ("/v1/models/n2n", None)):
            assert ask(server, path, body)[:2] == (503, '{"error":"the server is stopping"}')
        assert call(server, message()) == ("UNAVAILABLE", "the server is stopping")
        assert server.wait(10) == 0
        assert 0.9 < time.monotonic() - begin < 2.5
        slow[0].settimeout(5)
        assert slow[0].recv(1000).startswith(b"HTTP/1.1 503")
    assert "Traceback" not in (tmp_path / "log").read_text()


# ---------------------------------------------------------------- the end


def test_who_is_not_answered_within_the_grace_is_told(serve, held):
    server, answers = serve(grace=0.5, concurrency=1), []
    held.clear()
    threads = [threading.Thread(target=lambda: answers.append(ask(server)[:2])) for _ in range(2)]
    threads += [threading.Thread(target=lambda: answers.append(call(server, message()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_for(lambda: server._service.gate._taken == 4)
    begin = time.monotonic()
    server.stop()
    assert 0.4 < time.monotonic() - begin < 1.8
    for thread in threads:
        thread.join()
    told = "the server stopped before the answer was ready"
    assert sorted(map(str, answers)) == sorted(map(str, 2 * [(503, f'{{"error":"{told}"}}'), ("UNAVAILABLE", told)]))


def test_a_version_that_loads_does_not_hold_up_the_end(model, monkeypatch):
    loading, until = threading.Event(), threading.Event()
    server = started(model, poll=0.05)
    monkeypatch.setattr("n2n_tf.serving.models.Models._look", lambda _: loading.set() or until.wait(20))
    assert loading.wait(5)
    begin = time.monotonic()
    server.stop()
    assert time.monotonic() - begin < 2
    until.set()
    wait_for(lambda: server.models.versions("n2n").is_closed())


# ---------------------------------------------------------------- web pages


def test_a_page_of_another_origin_is_refused(server):
    own = f"127.0.0.1:{server.rest_port}"
    for origin in ("http://evil.example", "null", "", "http://127.0.0.1", f"http://localhost:{server.rest_port}",
                   f"http://127.0.0.1:{server.rest_port + 1}", f"file://{own}", f"http://{own}.evil.example",
                   f"http://x@{own}", "http://[", own):  # fmt: skip
        for path, body in (("/v1/models/n2n:predict", BODY), ("/v1/models/n2n", None), ("/", None)):
            status, text, headers = ask(server, path, body, {"Origin": origin, "Content-Type": "text/plain"})
            assert (status, headers["Access-Control-Allow-Origin"]) == (403, "*"), origin
            assert "the server's own page may ask. If pages of any origin shall, start it with --cors" in text
            assert json.loads(text)["error"].startswith("this is a request of a web page of another origin, " + origin)
    for headers in ({"Origin": f"http://{own}"}, {"Origin": f"https://{own}"}, {},
                    {"Origin": "https://denoise.example", "Host": "Denoise.example"}):  # fmt: skip
        assert ask(server, headers=headers)[0] == 200, headers


def test_without_a_host_no_origin_is_the_own_one(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=10)
    connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"
    connection.putrequest("GET", "/v1/models/n2n", skip_host=True)
    connection.putheader("Origin", "http://")
    connection.endheaders()
    assert connection.getresponse().status == 403


def test_a_preflight_is_answered_only_where_cors_is_asked_for(server, serve):
    asked = {"Origin": "http://a.example", "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "content-type"}  # fmt: skip
    assert ask(server, body=None, headers=asked, method="OPTIONS")[0] == 403
    server = serve(cors=True)
    status, _, headers = ask(server, body=None, headers=asked, method="OPTIONS")
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert "POST" in headers["Access-Control-Allow-Methods"]
    assert headers["Access-Control-Allow-Headers"].lower() == "content-type"
    for origin in ("http://a.example", "null"):
        status, _, headers = ask(server, headers={"Origin": origin})
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*")


def test_a_message_is_logged_seldom_and_counted(monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    logger = logging.getLogger("tests.seldom")
    logger.addFilter(Seldom(60))
    for now[0] in (0.0, 1.0, 59.0, 60.0, 61.0):
        logger.warning("Too many open files\nTraceback at %s", now[0])
        logger.warning("another")
    first, again = "Too many open files\nTraceback at ", " (2 more of these since the last one)"
    expected = [first + "0.0", "another", first + "60.0" + again, "another" + again]
    assert [each.getMessage() for each in caplog.records] == expected
