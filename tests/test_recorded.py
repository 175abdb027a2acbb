"""The server's answers, against those that TensorFlow Serving's own code gave to the same requests."""

import base64
import gzip
import http.client
import json
import re
import socket

import imagecodecs
import numpy as np
import pytest

from n2n_tf.config import ServeConfig
from n2n_tf.exporting import export
from n2n_tf.networks import unet
from n2n_tf.serving.server import Server

MODELS = {"n2n": 3, "raw": 4, "gray": 1}
FUNCTION = re.compile(r"(\{\{function_node \w+(?:<lambda>)?)_\d+(?=\}\})")  # numbered by what was built before it
PARSER = "JSON Parse error: "  # what follows are the JSON parser's own words


@pytest.fixture(scope="module")
def recorded(reference):
    """Requests with the real server's answers."""
    file = reference / "tensorflow_serving_rest.jsonl.gz"
    if not file.is_file():
        pytest.skip(f"the recorded answers of TensorFlow Serving are not beside this checkout ({file.name})")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def pairs(recorded, tmp_path_factory):
    """(case, our status, our answer) of each request, from a server of the models it was recorded with."""
    folder, random, config = tmp_path_factory.mktemp("recorded"), np.random.default_rng(0), ""
    for name, channels in MODELS.items():
        network = unet(channels, 4, seed=0)
        network.get_layer("nin_c").kernel.assign(random.normal(0, 0.3, (1, 1, 8, channels)))
        network.get_layer("nin_c").bias.assign(np.full(channels, 0.4))
        network.save(folder / "x.keras")
        export(folder / "x.keras", folder / name, 10**6)
        label = 'version_labels { key: "stable" value: 1 }' if name == "n2n" else ""
        config += f'config {{ name: "{name}" base_path: "{folder / name}" model_platform: "tensorflow" {label} }}\n'
    (folder / "models.config").write_text(f"model_config_list {{ {config} }}")
    server = Server([folder / "models.config"], ServeConfig(rest_port=0, grpc_port=0, max_pixels=2**40))
    try:
        yield [(case, *answer(server.rest_port, case)) for case in recorded]
    finally:
        server.stop()


def answer(port, case):
    """(status, text) of one request, sent as it was recorded, also where http.client would not."""
    body = base64.b64decode(case["body"] or "")
    headers = {"Host": "localhost", "Content-Length": len(body), "Connection": "close", **case["headers"]}
    lines = [f"{case['method']} {case['path']} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items())]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        response = http.client.HTTPResponse(connection, method=case["method"])
        response.begin()
        return response.status, response.read().decode("latin-1")


def same(text, wanted):
    """Whether an answer is the recorded one: numbers up to the rounding in which machines differ, PNGs to one level."""
    (words, numbers, levels), (wanted_words, wanted_numbers, wanted_levels) = _parts(text), _parts(wanted)
    if words != wanted_words:
        return False
    largest = np.max(np.abs(wanted_numbers), initial=0, where=np.isfinite(wanted_numbers))
    rounding = {"rtol": 0, "atol": 1e-5 * largest, "equal_nan": True}
    return np.allclose(numbers, wanted_numbers, **rounding) and np.allclose(levels, wanted_levels, rtol=0, atol=1)


def _parts(text):
    """(an answer without its numbers, these, the levels of its PNGs); one that is not JSON, as it is."""
    text, numbers, levels = FUNCTION.sub(r"\1", text), [], []

    def words(value):
        if isinstance(value, dict) and set(value) == {"b64"}:
            pixels = imagecodecs.png_decode(base64.b64decode(value["b64"]))
            levels.extend(pixels.ravel().tolist())
            return pixels.shape
        if isinstance(value, dict):
            return {key: words(each) for key, each in sorted(value.items())}
        if isinstance(value, list):
            return [words(each) for each in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            numbers.append(float(np.float32(value)))
            return float
        return value

    try:
        return words(json.loads(text)), numbers, levels
    except ValueError:
        return text, [], []


def test_what_counts_as_the_same():
    assert same('{"a": [1.00001, 2]}', '{"a": [1, 2.0]}')
    for text in ('{"a": [1.0001, 2]}', '{"a": [[1, 2]]}', '{"a": [1, null]}', '{"a": [true, 2]}', "a: 1, 2"):
        assert not same(text, '{"a": [1, 2.0]}'), text
    one, near, far = (
        json.dumps({"b64": base64.b64encode(imagecodecs.png_encode(np.full((2, 3), level, np.uint8))).decode()})
        for level in (7, 8, 9)
    )
    assert same(near, one)
    assert not same(far, one)


def test_statuses(pairs):
    """All but those that serving/README.md names, in its table of what differs."""
    others = [(case["name"], case["status"], status) for case, status, _ in pairs if status != case["status"]]
    assert len(others) <= len(pairs) // 100, others


def test_answers(pairs):
    """Of those in which more than the JSON parser's own words can differ."""
    texts = [(case, text) for case, _, text in pairs if not (PARSER in case["answer"] and PARSER in text)]
    others = [case["name"] for case, text in texts if not same(text, case["answer"])]
    assert len(texts) > 600
    assert len(others) <= len(texts) // 10, others


def test_results(pairs):
    """Where the real server gave a picture, so does this one, the same."""
    given = [
        (case, text) for case, status, text in pairs if case["status"] == status == 200 and ":predict" in case["path"]
    ]
    assert len(given) > 70
    assert [case["name"] for case, text in given if not same(text, case["answer"])] == []
