"""`n2n-tf serve --inspect`: gauges of the noise in what is sent, beside requests that do not notice."""

import base64
import json
import logging
import shutil
import threading
import time
import urllib.error
import urllib.request

import imagecodecs
import keras
import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from n2n_tf.config import ServeConfig
from n2n_tf.exporting import export
from n2n_tf.exporting.cpp_loader import CppModel
from n2n_tf.inference import in_range
from n2n_tf.inspection.single import Single
from n2n_tf.serving import Client, inspector
from n2n_tf.serving.answered import PLANES, Answered, Pair, card_of, pair_of
from n2n_tf.serving.examined import CONTEXT, MEASURED, TRIED, examined, middle
from n2n_tf.serving.gauges import WINDOW, Gauges, means
from n2n_tf.serving.server import Server
from n2n_tf.value_range import ValueRange
from tests.scenes import blurred, gaussian, scene

SIGMA = 20
CLEAN = scene(texture=0.1, side=(224, 256))


def eight(image):
    return (image.clip(0, 1) * 255).round().astype(np.uint8)


WHITE, SHARED = eight(gaussian(CLEAN, SIGMA)), eight(blurred(CLEAN, SIGMA))


def smoother(channels):
    """A denoiser: the mean of 3×3 pixels."""
    image = keras.Input((None, None, channels))
    layer = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)
    network = keras.Model(image, layer(image))
    network.set_weights([np.full((3, 3, channels, 1), 1 / 9)])
    return network


def blurred_by_3(image):
    return uniform_filter(image, (3, 3, 0), mode="constant").astype(np.float32)


def exported(network, folder, name):
    network.save(folder / f"{name}.keras")
    return export(folder / f"{name}.keras", folder / name, 10**6)


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Exports by name: of 0 to 1, of 0 to 4095, of a mosaic's planes."""
    folder, twelve = tmp_path_factory.mktemp("inspected"), ValueRange(0, 4095)
    networks = {"n2n": smoother(3), "ranged": in_range(smoother(3), twelve), "raw": smoother(4)}
    return {name: exported(network, folder, name) for name, network in networks.items()}


@pytest.fixture
def serve(versions, tmp_path):
    """Start servers of a copy of n2n without warm-up, stop them in the end."""
    shutil.copytree(versions["n2n"].parent, tmp_path / "n2n", ignore=lambda *_: ["assets.extra"])
    servers = []

    def start(**settings):
        server = Server(
            [tmp_path / "n2n"], ServeConfig(**{"rest_port": 0, "grpc_port": 0, "inspect": True, **settings})
        )
        server.rest = f"http://127.0.0.1:{server.rest_port}"
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


def get(url):
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read().decode()


def ask(server, image, **headers):
    """The answer's pixels, and the ticket."""
    file = base64.b64encode(imagecodecs.png_encode(image)).decode()
    body = json.dumps({"signature_name": "encoded", "instances": [{"b64": file}]}).encode()
    request = urllib.request.Request(server.rest + "/v1/models/n2n:predict", body, headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.loads(response.read())["predictions"][0]["b64"]
        return imagecodecs.png_decode(base64.b64decode(answer)), response.headers["N2N-Inspection"]


def told(server, ticket):
    """What was found, when it is."""
    until = time.monotonic() + 30
    while (found := json.loads(get(f"{server.rest}/inspections/{ticket}")))["state"] == "waiting":
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)
    return found


def gauges(server):
    """{(name, *labels): value}, by Prometheus's own parser."""
    parser = pytest.importorskip("prometheus_client.parser")
    families = parser.text_string_to_metric_families(get(server.rest + "/monitoring/prometheus/metrics"))
    return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


def psnr(one, other):
    return -10 * np.log10(np.mean(np.square(one.astype(float) - other)))


def test_each_client_is_told_of_its_own_picture_and_gauges_are_the_mean(serve):
    server = serve()
    denoised, white = ask(server, WHITE)
    shared = ask(server, SHARED)[1]
    assert white != shared
    one, other = told(server, white), told(server, shared)
    assert one["text"].startswith("Noise: σ ")
    assert "not shared by neighbouring pixels. Estimated PSNR" in one["text"]
    assert "shared by neighbouring pixels (correlation" in other["text"]
    assert other["psnr"] is None
    assert other["obstacle"].startswith("neighbouring pixels share noise, ρ 0.")
    assert one["psnr"]["before"] == pytest.approx(psnr(WHITE / 255, CLEAN), abs=0.3)
    assert one["psnr"]["after"] == pytest.approx(psnr(denoised / 255, CLEAN), abs=0.5)
    values, model = gauges(server), {"model_name": "n2n", "version": "1"}

    def value(name, **labels):
        return values[("n2n_tf_" + name, *sorted(labels.items()))]

    sigma = value("noise_sigma", channel="all", **model)
    assert sigma == pytest.approx((one["noise"]["all"]["sigma"] + other["noise"]["all"]["sigma"]) / 2, rel=1e-4)
    assert sigma == pytest.approx(SIGMA, rel=0.1)
    assert value("noise_offset", channel="all", **model) == pytest.approx((SIGMA / 255) ** 2, rel=0.2)
    assert abs(value("noise_gain", channel="all", **model)) < 0.3 * (SIGMA / 255) ** 2
    for direction in ("right", "below"):  # of one without, and one with 0.3
        assert 0.05 < value("noise_correlation", channel="all", direction=direction, **model) < 0.25
    for when in ("before", "after"):
        assert value("estimated_psnr_db", when=when, **model) == pytest.approx(one["psnr"][when], rel=1e-4)
    assert value("estimated_psnr_valid", **model) == 0.5
    assert value("inspected_total", model_name="n2n") == 2
    assert 0 < value("inspection_seconds_total", model_name="n2n") < 60


def test_without_the_flag_nothing_is_there(serve):
    server = serve(inspect=False)
    assert ask(server, WHITE)[1] is None
    assert not [name for name, *_ in gauges(server) if name.startswith("n2n_tf")]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(server.rest + "/inspections/x")


def test_answers_are_the_same_with_it(serve):
    plain, inspected = serve(inspect=False), serve()
    for image in (WHITE, WHITE[:16], WHITE.astype(np.uint16) * 200):
        np.testing.assert_array_equal(ask(plain, image)[0], ask(inspected, image)[0])


def test_grpc_and_tensors_are_inspected_and_small_ones_are_not(serve):
    server = serve()
    client = Client(f"grpc://127.0.0.1:{server.grpc_port}")
    client.denoise(WHITE)
    client.denoise((WHITE / 255).astype(np.float32))
    small = told(server, ask(server, WHITE[:127])[1])
    assert small == {"state": "not measured", "text": "The noise was not measured: it is smaller than 128×128 pixels."}
    until = time.monotonic() + 30
    while gauges(server).get(("n2n_tf_inspected_total", ("model_name", "n2n"))) != 2:
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)
    dropped = {key[1:]: value for key, value in gauges(server).items() if key[0] == "n2n_tf_inspections_dropped_total"}
    assert dropped == {(("model_name", "n2n"), ("reason", "unsuitable")): 1}


def test_a_busy_server_drops_what_it_cannot_measure_and_counts_it(serve, monkeypatch):
    monkeypatch.setattr(inspector, "QUIET", 60.0)  # so that none begins
    monkeypatch.setattr(inspector, "PATIENCE", 60.0)
    server = serve()
    tickets = [ask(server, WHITE)[1] for _ in range(inspector.QUEUE + 3)]
    states = [json.loads(get(f"{server.rest}/inspections/{ticket}")) for ticket in tickets]
    waiting = [each["state"] == "waiting" for each in states]
    assert sum(waiting) in (inspector.QUEUE, inspector.QUEUE + 1)  # one has been taken from the queue, or is about to
    assert states[-1]["text"] == "The noise was not measured: the server was busy."
    dropped = gauges(server)["n2n_tf_inspections_dropped_total", ("model_name", "n2n"), ("reason", "busy")]
    assert dropped == waiting.count(False)


def test_no_request_fails_because_of_it_and_it_is_said_once(serve, monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError("on purpose")

    server = serve()
    monkeypatch.setattr(inspector, "examined", broken)
    tickets = [ask(server, WHITE)[1] for _ in range(2)]
    with caplog.at_level(logging.ERROR):
        texts = [told(server, ticket)["text"] for ticket in tickets]
        monkeypatch.setattr(inspector, "first_of", broken)  # in the request's own thread
        np.testing.assert_array_equal(ask(server, WHITE)[0], ask(server, WHITE)[0])
    assert texts == ["The noise was not measured: that failed; the server's log says more."] * 2
    assert gauges(server)["n2n_tf_inspections_dropped_total", ("model_name", "n2n"), ("reason", "failed")] == 4
    assert [record.message for record in caplog.records if "inspection" in record.message] == [
        "the inspection of a request for n2n failed; said once"
    ]
    monkeypatch.undo()
    assert told(server, ask(server, WHITE)[1])["state"] == "measured"


def test_it_does_not_begin_beside_a_request(serve, monkeypatch):
    begun, hold, run = [], threading.Event(), CppModel.run

    def slow(self, signature, *args):
        begun.append(signature)
        if signature == "encoded":
            hold.wait(20)
        return run(self, signature, *args)

    server = serve()
    ticket = ask(server, WHITE)[1]
    monkeypatch.setattr(CppModel, "run", slow)
    monkeypatch.setattr(inspector, "PATIENCE", 60.0)
    thread = threading.Thread(target=ask, args=(server, WHITE))
    thread.start()
    time.sleep(3 * inspector.QUIET)
    assert begun == ["encoded"]  # and not the inspection's own call of the model
    hold.set()
    thread.join()
    assert told(server, ticket)["state"] == "measured"
    assert "serving_default" in begun


def test_a_server_that_is_never_idle_has_rests_between(serve, monkeypatch):
    """A tenth of the time at most: after one that took some time, nine times as long."""
    monkeypatch.setattr(inspector, "PATIENCE", 0.0)
    server = serve()
    worker = server._service.inspector
    monkeypatch.setattr(worker, "_quiet", lambda: 0.0)
    first = told(server, ask(server, WHITE)[1])
    rest = worker._rested - time.monotonic()
    assert first["state"] == "measured"
    assert 7 * first["seconds"] < rest <= 9 * first["seconds"]
    ticket = ask(server, WHITE)[1]
    time.sleep(min(0.3, rest / 2))
    assert json.loads(get(f"{server.rest}/inspections/{ticket}"))["state"] == "waiting"


def test_a_version_that_has_left_is_not_called(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(inspector, "QUIET", 60.0)
    monkeypatch.setattr(inspector, "PATIENCE", 60.0)
    server = serve(poll=0.05)
    ticket, until = ask(server, WHITE)[1], time.monotonic() + 30
    shutil.copytree(tmp_path / "n2n" / "1", tmp_path / "aside")
    (tmp_path / "aside").rename(tmp_path / "n2n" / "2")
    while server.models.versions("n2n").available() != [2] or server.models.versions("n2n").statuses()[1].model:
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
    monkeypatch.setattr(inspector, "QUIET", 0.0)
    text = "The noise was not measured: Servable not found for request: Specific(n2n, 1)."
    assert told(server, ticket)["text"] == text


@pytest.mark.parametrize("name", ["n2n", "ranged"])
@pytest.mark.parametrize("signature", ["serving_default", "uint8", "encoded 8", "encoded 16"])
def test_a_pair_is_what_the_model_saw_and_gave(name, signature, versions):
    """The answer of `serving_default` to `noisy` is `denoised`, but for the rounding of integers."""
    model, card, deep = CppModel(versions[name]), card_of(versions[name]), signature.endswith("16")
    image = WHITE.astype(np.uint16) * 257 if deep else WHITE
    if signature == "serving_default":
        image = (image / 255 * card.scale.high).astype(np.float32)
    kind, _, _ = signature.partition(" ")
    data = bytes(imagecodecs.png_encode(image)) if kind == "encoded" else image
    sent = {"image_bytes": np.array([data], object)} if kind == "encoded" else {"image": image[None]}
    (answer,) = model.run(kind, sent).values()
    pair = pair_of(Answered(name, 1, kind, data, answer[0]), card)
    by_floats = model.run("serving_default", {"image": pair.noisy[None]})["denoised"][0]
    step = 0 if kind == "serving_default" else 1 if name == "ranged" else 1 / np.iinfo(image.dtype).max
    cut = by_floats if pair.ends is None else by_floats.clip(*pair.ends)
    assert np.abs(cut - pair.denoised).max() <= step / 2 + 1e-6 * card.scale.high
    assert pair.noisy.max() > 0.5 * (255 if name == "ranged" and not deep and kind != "serving_default" else 0.5)
    model.close()


def test_a_mosaic_is_measured_plane_by_plane(versions):
    model, card = CppModel(versions["raw"]), card_of(versions["raw"])
    planes = gaussian(scene(4, texture=0.0, side=(160, 192)), SIGMA)
    mosaic = np.empty((320, 384, 1), np.float32)
    for plane, (row, column) in enumerate(((1, 0), (1, 1), (0, 0), (0, 1))):  # GBRG: red at (1, 0)
        mosaic[row::2, column::2, 0] = planes[..., plane]
    sent = {"mosaic": mosaic[None], "pattern": np.array([b"GBRG"], object)}
    denoised = model.run("mosaic", sent)["denoised"][0]
    pair = pair_of(Answered("raw", 1, "mosaic", mosaic, denoised, "GBRG"), card)
    found = examined(pair, card, lambda image: model.run("serving_default", {"image": image[None]})["denoised"][0])
    assert tuple(part.name for part in found.parts) == PLANES
    for part in found.parts:
        assert 255 * part.sigma == pytest.approx(SIGMA, rel=0.1)
    assert found.gain.psnr > found.gain.before + 5
    model.close()


@pytest.mark.parametrize("sides", [(1024, 1280), (400, 5000), (131, 20000), (3000, 128)])
def test_of_a_large_image_the_middle_is_judged(sides):
    rows, columns = area = middle(sides, TRIED, 32)
    tall, wide = rows.stop - rows.start, columns.stop - columns.start
    assert TRIED * 0.8 < tall * wide <= TRIED
    assert min(tall, wide) >= 128
    for cut, side in zip(area, sides, strict=True):
        assert (cut.start % 32, cut.stop <= side) == (0, True)
        assert abs((cut.start + cut.stop) - side) <= 64


def test_what_lies_around_the_middle_is_not_judged_and_one_call_is_made(versions):
    card, calls = card_of(versions["n2n"]), []
    noisy = gaussian(scene(texture=0.1, side=(768, 1024)), SIGMA)
    rows, columns = middle(noisy.shape[:2], TRIED, card.multiple)

    def blur(image):
        calls.append(image.shape)
        return blurred_by_3(image)

    denoised = blurred_by_3(noisy)
    found = examined(Pair(noisy, denoised, None), card, blur)
    assert calls == [(rows.stop - rows.start, columns.stop - columns.start, 3)]
    assert noisy.shape[0] * noisy.shape[1] < MEASURED  # the noise is measured on all of it
    inner = slice(rows.start + CONTEXT, rows.stop - CONTEXT), slice(columns.start + CONTEXT, columns.stop - CONTEXT)
    clean = scene(texture=0.1, side=(768, 1024))
    assert found.gain.psnr == pytest.approx(psnr(denoised[inner], clean[inner]), abs=0.3)


def test_means_are_over_the_last_and_of_versions_that_answer():
    here = [("n2n", 1), ("n2n", 2)]
    found, kept = Single([], None, "there is hardly any noise"), Gauges(lambda: here)
    for number in (1, 2):
        kept.add(("n2n", number), found, 0.5)
    assert 'valid{model_name="n2n",version="1"} 0\n' in kept.page()
    here.remove(("n2n", 1))
    assert 'version="1"' not in kept.page()
    kept.add(("n2n", 2), found, 0.25)
    assert 'n2n_tf_inspection_seconds_total{model_name="n2n"} 1.25\n' in kept.page()
    window = [{("x", ()): 1.0}, {("x", ()): 3.0, ("y", ()): 5.0}, {}]
    assert means(window) == {("x", ()): 2.0, ("y", ()): 5.0}
    assert WINDOW == 16
