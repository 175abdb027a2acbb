"""What the client sends: as many bytes as the server takes, and numbers that come out as they went in."""

import json

import imagecodecs
import numpy as np
import pytest
from strangers import outputs, over_grpc, over_http, page
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

import n2n_tf
from n2n_tf.config import ServeConfig
from n2n_tf.exporting.cpp_loader import CppModel
from n2n_tf.serving import Client
from n2n_tf.serving.server import Server

RNG = np.random.default_rng(0)
LONGEST = np.float32(-1.17549435e-38)  # 15 characters with the 9 digits that a float32 needs
LIMIT = 400_000


@pytest.fixture(params=["rest", "grpc"])
def echo(request):
    """A server that gives back what it gets: its URL, and the bytes of each request."""
    got = []

    def by_rest(body, connection):
        got.append(len(body))
        (value,) = json.loads(body)["inputs"].values()
        connection.sendall(outputs(value))

    def by_grpc(message, _):
        got.append(len(message))
        answer = PredictResponse()
        answer.outputs["denoised"].CopyFrom(next(iter(PredictRequest.FromString(message).inputs.values())))
        return answer.SerializeToString()

    with over_http(by_rest) if request.param == "rest" else over_grpc(by_grpc) as url:
        yield url, got


@pytest.mark.parametrize(
    ("image", "limit"),
    [
        (np.full((200, 170, 3), LONGEST), 500_000),
        (np.full((1, 9000, 3), LONGEST), 200_000),
        (np.full((5000, 1, 1), LONGEST), 70_000),
        (RNG.random((100, 140, 16), np.float32), 2_500_000),
        (RNG.integers(0, 256, (110, 220, 5), np.uint8), 250_000),
        (RNG.integers(200, 256, (220, 110, 5), np.uint8), 250_000),
        (RNG.integers(0, 256, (420, 200, 3), np.uint8), 150_000),
        (RNG.integers(0, 2**16, (420, 300, 1), np.uint16), 150_000),
        (RNG.integers(0, 2**16, (420, 200, 3), np.uint16), 300_000),
    ],
    ids=lambda value: f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else str(value),
)
def test_no_request_is_larger_than_the_server_takes(image, limit, echo):
    url, got = echo
    with Client(url, tile=256, halo=32, max_body=limit) as client:
        np.testing.assert_array_equal(client.denoise(image), image)
    assert max(got) <= limit
    assert len(got) > 1 or image.nbytes < limit


@pytest.mark.parametrize("tile", [128, 256, 512])
def test_a_tile_is_never_larger_than_was_asked_for(tile, echo):
    url, got = echo
    image = RNG.random((700, 33, 1), np.float32)
    with Client(url, tile=tile, halo=32) as client:
        np.testing.assert_array_equal(client.denoise(image), image)
    assert len(got) == -(-(700 - 64) // (tile - 64))


def test_requests_are_not_much_smaller_than_they_may_be(echo):
    url, got = echo
    with Client(url, tile=256, halo=32, max_body=1_000_000) as client:
        client.denoise(np.full((256, 256, 3), LONGEST))
    assert max(got) > 600_000


def test_a_file_that_is_too_large_for_a_request_goes_in_tiles(echo):
    url, got = echo
    image = RNG.integers(0, 2**16, (200, 350, 3), np.uint16)  # noise: no PNG is smaller
    with Client(url, halo=32, max_body=LIMIT) as client:
        answer = client.denoise(bytes(imagecodecs.png_encode(image)))
    np.testing.assert_array_equal(imagecodecs.png_decode(answer), image)
    assert len(got) > 1
    assert max(got) <= LIMIT


def test_what_no_tile_can_carry_is_refused_before_anything_is_sent(echo):
    url, got = echo
    with Client(url, max_body=LIMIT) as client:
        with pytest.raises(
            ValueError, match=r"288×288 pixels of 64 channels take \d+ bytes .* max_body is 400000: raise"
        ):
            client.denoise(RNG.random((300, 300, 64), np.float32))
        with pytest.raises(ValueError, match=r"has (4000|5334)\d\d bytes, and max_body is 400000: send less"):
            client.denoise(b"GIF89a" + b"0" * LIMIT)
    assert not got


def test_every_float_comes_back_as_it_went(echo):
    url, _ = echo
    bits = RNG.integers(0, 2**32, 70_000, np.uint64).astype(np.uint32).view(np.float32)
    edges = np.float32([0, -0.0, 1, 0.1, 1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, 16777217, 1 / 3, 123456.79])
    image = np.concatenate([edges, bits[np.isfinite(bits)]])[:60_000].reshape(200, 100, 3)
    with Client(url) as client:
        np.testing.assert_array_equal(client.denoise(image), image)


def test_a_megapixel_of_floats_is_one_request_that_our_server_takes():
    got = []

    def do(body, connection):
        got.append(len(body))
        connection.sendall(page(b"", "400 Enough"))

    with over_http(do) as url, pytest.raises(n2n_tf.serving.ServingError, match="400 Enough"):
        Client(url).denoise(np.full((1024, 1024, 3), LONGEST))
    assert len(got) == 1
    assert 50_000_000 < got[0] <= ServeConfig.max_body


def test_the_servers_own_limit_is_kept(served, monkeypatch):
    asked = []

    def run(self, signature, inputs, *args, run=CppModel.run):
        asked.append(signature)
        return run(self, signature, inputs, *args)

    monkeypatch.setattr(CppModel, "run", run)
    image = RNG.random((352, 380, 3), np.float32) / 1e5
    limit = 6_000_000
    server = Server([served[1] / "n2n"], ServeConfig(rest_port=0, grpc_port=0, max_body=limit))
    try:
        url = f"http://127.0.0.1:{server.rest_port}"
        with pytest.raises(n2n_tf.serving.ServingError, match=f"413 the request has more than {limit} bytes"):
            Client(url).denoise(image)
        asked.clear()
        result = Client(url, max_body=limit).denoise(image)
    finally:
        server.stop()
    assert len(asked) > 1
    np.testing.assert_allclose(result, n2n_tf.denoise(served[0], image), rtol=0, atol=1e-5)
