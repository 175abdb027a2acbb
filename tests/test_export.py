import io
import json
import math
import signal
import struct
import subprocess
import sys
import textwrap
import time
import zlib

import imagecodecs
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

import n2n_tf
from n2n_tf.cli.main import main
from n2n_tf.compat import KERAS_2, STORABLE
from n2n_tf.config import MAX_PIXELS, RunError, UsageError
from n2n_tf.exporting import check as checking
from n2n_tf.exporting import export, saved_model
from n2n_tf.exporting.cpp_loader import CppModel
from n2n_tf.formats import bayer
from n2n_tf.inference import load_denoiser
from n2n_tf.networks import unet
from tests.conftest import far

RNG = np.random.default_rng(0)
LIMIT = 768 * 128


def lively(channels):
    """A small U-Net with a result that is not nearly zero."""
    network = unet(channels, 4, seed=0)
    network.get_layer("nin_c").kernel.assign(RNG.normal(0, 0.3, (1, 1, 8, channels)))
    network.get_layer("nin_c").bias.assign(np.full(channels, 0.4))
    return network


@pytest.fixture(scope="module", params=[1, 3])
def exported(request, tmp_path_factory):
    """The network, its export, and the export in the C++ loader: of the U-Net with 3 channels."""
    folder = tmp_path_factory.mktemp("export")
    network = lively(3) if request.param == 3 else far(request.param)
    network.save(folder / "x.keras")
    version = export(folder / "x.keras", folder / "n2n", LIMIT)
    model = CppModel(version)
    yield network, version, model
    model.close()


def test_a_version_holds_what_a_server_and_an_application_need(exported):
    network, version, model = exported
    assert version.name == "1"
    assert {path.name for path in version.iterdir()} >= {
        "saved_model.pb", "variables", "assets.extra", "denoiser.keras", "denoiser.weights.h5", "model_card.json",
        "model_card.md",
    }  # fmt: skip
    assert sorted(path.name for path in version.parent.iterdir()) == ["1"]
    assert set(model.signatures) == {"serving_default", "uint8", "encoded"}
    shape = [-1, -1, -1, network.input_shape[-1]]
    for name, kind in (("serving_default", tf.float32), ("uint8", tf.uint8)):
        given, result = model.signatures[name].inputs["image"], model.signatures[name].outputs["denoised"]
        assert [dim.size for dim in given.tensor_shape.dim] == shape
        assert given.dtype == result.dtype == kind.as_datatype_enum
    assert model.signatures["encoded"].inputs["image_bytes"].dtype == tf.string.as_datatype_enum
    assert list(model.signatures["encoded"].outputs) == ["denoised_bytes"]
    graph = (version / "saved_model.pb").read_bytes()
    assert b"PyFunc" not in graph
    library = saved_model_pb2.SavedModel.FromString(graph).meta_graphs[0].graph_def.library
    convolutions = [node for function in library.function for node in function.node_def if node.op == "Conv2D"]
    layers = [layer for layer in network.layers if type(layer) is keras.layers.Conv2D]
    assert len(convolutions) == len(layers)  # the signatures share one graph of the network


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (31, 2), (32, 64), (97, 70)])
def test_the_tensor_signatures_give_what_numpy_and_the_network_give(exported, size):
    network, _, model = exported
    image = RNG.integers(0, 256, (2, *size, network.input_shape[-1]), np.uint8)
    unit = image.astype(np.float32) / np.float32(255)
    padded = np.pad(unit, ((0, 0), (0, -size[0] % 32), (0, -size[1] % 32), (0, 0)), "reflect")
    expected = np.stack([np.asarray(network(one[None]))[0] for one in padded])[:, : size[0], : size[1]]
    floats = model.run("serving_default", {"image": unit})["denoised"]
    np.testing.assert_allclose(floats, expected, rtol=0, atol=1e-5)
    for number in range(2):  # exact at batch 1
        found = model.run("uint8", {"image": image[number : number + 1]})["denoised"][0]
        np.testing.assert_array_equal(found, n2n_tf.denoise(network, image[number]))


def png(image):
    return bytes(imagecodecs.png_encode(np.squeeze(image, -1) if image.shape[-1] == 1 else image))


def encoded(model, *files):
    found = model.run("encoded", {"image_bytes": np.array(files, dtype=object)})["denoised_bytes"]
    return [imagecodecs.png_decode(file) for file in found]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_files_keep_their_depth_and_equal_denoise(exported, dtype):
    network, _, model = exported
    channels = network.input_shape[-1]
    images = [RNG.integers(0, np.iinfo(dtype).max, (*size, channels)).astype(dtype) for size in [(1, 1), (33, 47)]]
    for image, result in zip(images, encoded(model, *map(png, images)), strict=True):
        assert result.dtype == dtype
        np.testing.assert_array_equal(result.reshape(image.shape), n2n_tf.denoise(network, image))


def test_a_jpeg_equals_denoise(exported):
    network, _, model = exported
    buffer = io.BytesIO()
    image = Image.fromarray(RNG.integers(0, 256, (50, 61, 3), np.uint8))
    (image if network.input_shape[-1] == 3 else image.convert("L")).save(buffer, "JPEG", quality=80)
    held = np.atleast_3d(np.asarray(Image.open(buffer)))
    result = encoded(model, buffer.getvalue())[0]
    np.testing.assert_array_equal(result.reshape(held.shape), n2n_tf.denoise(network, held))


def test_alpha_is_dropped(exported):
    network, _, model = exported
    channels = network.input_shape[-1]
    image = RNG.integers(0, 256, (20, 30, channels + 1), np.uint8)
    result = encoded(model, png(image))[0]
    np.testing.assert_array_equal(result.reshape(20, 30, channels), n2n_tf.denoise(network, image[..., :channels]))


SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def forged_png(side, depth=1):
    return SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, depth, 0, 0, 0, 0))


def disguised_png():
    """700×600 pixels, above the limit, behind a chunk that looks like the header of a 1×1 image."""
    whole = png(RNG.integers(0, 256, (600, 700, 3), np.uint8))
    return SIGNATURE + chunk(b"prVt", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)) + whole[8:]


def large_jpeg():
    buffer = io.BytesIO()
    Image.new("RGB", (1000, 101)).save(buffer, "JPEG")
    return buffer.getvalue()


def gif():
    buffer = io.BytesIO()
    Image.new("L", (9, 9)).save(buffer, "GIF")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: forged_png(30000), "900960256"),
        (lambda: forged_png(2**31 - 1, 16), "pixels, sides rounded up; at most"),
        (large_jpeg, "131072"),
        (gif, "neither a PNG nor a JPEG"),
        (lambda: b"", "neither a PNG nor a JPEG"),
        (lambda: b"hello, not an image at all", "neither a PNG nor a JPEG"),
        (disguised_png, "does not begin with its whole header"),
        (lambda: SIGNATURE + b"garbage" * 9, "does not begin with its whole header"),
        (lambda: forged_png(30)[:20], "does not begin with its whole header"),
        (lambda: forged_png(0), "has sides of"),
        (lambda: forged_png(2**32 - 1), "has sides of"),
        (lambda: forged_png(30), "PNG"),
        (lambda: png(RNG.integers(0, 256, (50, 50, 3), np.uint8))[:500], "PNG"),
        (lambda: large_jpeg()[:10], "JPEG"),
    ],
    ids=[
        "large",
        "larger",
        "large jpeg",
        "gif",
        "empty",
        "text",
        "disguised",
        "garbage",
        "no header",
        "no side",
        "largest",
        "no pixels",
        "truncated",
        "cut jpeg",
    ],
)
def test_files_that_are_refused_are_refused_at_once(exported, data, message):
    model, file = exported[2], data()
    model.run("serving_default", {"image": np.zeros((1, 1, 1, exported[0].input_shape[-1]), np.float32)})
    begin = time.perf_counter()
    with pytest.raises(RuntimeError, match=message):
        encoded(model, file)
    assert time.perf_counter() - begin < 2  # nothing of the size claimed is made; the benchmark has the real time


def test_an_image_of_just_the_limit_is_accepted(exported):
    """Its sides count as they are padded."""
    just, over = (bytes(imagecodecs.png_encode(np.zeros((768 + more, 97), np.uint8))) for more in (0, 1))
    assert 768 * 128 == LIMIT < 800 * 128
    assert encoded(exported[2], just)[0].shape[:2] == (768, 97)
    with pytest.raises(RuntimeError, match="at most"):
        encoded(exported[2], over)


def test_tensors_have_the_limit_of_files(exported):
    """A batch goes through the network at once: its images count together."""
    network, _, model = exported
    for name, dtype in (("serving_default", np.float32), ("uint8", np.uint8)):
        for shape in ((1, 768, 97), (3, 250, 128)):
            image = np.zeros((*shape, network.input_shape[-1]), dtype)
            assert model.run(name, {"image": image})["denoised"].shape == image.shape
        for shape, pixels in (((1, 769, 97), 800 * 128), ((4, 225, 128), 4 * 256 * 128)):
            image = np.zeros((*shape, network.input_shape[-1]), dtype)
            with pytest.raises(RuntimeError, match=rf"image. .has.*{pixels}.*at most.*{LIMIT}"):
                model.run(name, {"image": image})


def test_arrays_need_not_be_contiguous(exported):
    network, _, model = exported
    wide = RNG.random((1, 64, 128, network.input_shape[-1]), np.float32)
    one, other = (
        model.run("serving_default", {"image": image})["denoised"]
        for image in (wide[:, :, ::2], np.ascontiguousarray(wide[:, :, ::2]))
    )
    np.testing.assert_array_equal(one, other)


def test_warm_up_requests_run(exported):
    _, version, model = exported
    path = version / "assets.extra" / "tf_serving_warmup_requests"
    logs = [prediction_log_pb2.PredictionLog.FromString(r.numpy()) for r in tf.data.TFRecordDataset([str(path)])]
    requests = [log.predict_log.request for log in logs]
    assert [request.model_spec.signature_name for request in requests] == ["serving_default", "uint8", "encoded"]
    for request in requests:
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        assert model.run(request.model_spec.signature_name, inputs)


def test_the_card_says_what_it_is(exported):
    network, version, _ = exported
    card = json.loads((version / "model_card.json").read_text())
    assert card["network"]["parameters"] == network.count_params()
    assert (card["reach"], card["side_multiple"], card["receptive_field"]) == (128, 32, 288)
    assert set(card["difference_from_network"]) == {"serving_default", "uint8", "encoded"}
    assert card["difference_from_network"]["uint8"] == card["difference_from_network"]["encoded"] == 0
    assert "curl" in (version / "model_card.md").read_text()


def test_the_card_of_a_run_tells_how_it_was_made(photos, two_layers, tmp_path):
    settings = {
        "network": "two_layers",
        "features": 4,
        "patch_size": 64,
        "batch_size": 2,
        "epochs": 1,
        "steps_per_epoch": 2,
    }
    config = n2n_tf.build_config({"data": [str(photos)], "noise": "gaussian", **settings})
    report = n2n_tf.train(config, tmp_path / "run")
    version = export(tmp_path / "run", tmp_path / "n2n", LIMIT)
    card = json.loads((version / "model_card.json").read_text())
    assert card["scores"] == report["scores"]
    assert (card["training"]["noise"], card["training"]["sigma"]) == ("gaussian", [25.0])
    assert "lam" not in card["training"]
    assert card["training"]["scored_images"] == report["scored_images"]
    assert (card["reach"], card["side_multiple"]) == (2, 32)
    (tmp_path / "run" / "report.json").write_text("{")
    with pytest.raises(UsageError, match=r"report.json: is damaged"):
        export(tmp_path / "run", tmp_path / "n2n", LIMIT)


def test_versions_count_up_and_a_failure_leaves_nothing(tmp_path, monkeypatch):
    far(3).save(tmp_path / "x.keras")
    output = tmp_path / "n2n"
    (output / "7").mkdir(parents=True)
    for name in ("0000005", "9" * 19, "٩", "notes"):  # none of them but the first is a version, for any server
        (output / name).mkdir()
    assert export(tmp_path / "x.keras", output, LIMIT).name == "8"
    monkeypatch.setattr(checking, "CLOSE", -1.0)
    with pytest.raises(RunError, match="the export differs from the network by"):
        export(tmp_path / "x.keras", output, LIMIT)
    assert sorted(path.name for path in output.iterdir()) == ["0000005", "7", "8", "9" * 19, "notes", "٩"]


def test_what_a_killed_export_left_goes_with_the_next(tmp_path):
    far(3).save(tmp_path / "x.keras")
    left = (
        "import os, signal, pathlib\n"
        "from n2n_tf.files import partial_folder\n"
        f"with partial_folder(pathlib.Path({str(tmp_path)!r})) as folder:\n"
        "    (folder / 'saved_model.pb').touch()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", left]).returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".partial.*/*"))) == 1
    export(tmp_path / "x.keras", tmp_path, LIMIT)
    assert {path.name for path in tmp_path.iterdir()} == {"x.keras", "1"}


def test_two_exports_at_once_make_two_whole_versions(tmp_path, monkeypatch):
    """The second begins and ends while the first is being checked."""
    far(3).save(tmp_path / "x.keras")
    output, check = tmp_path / "n2n", saved_model.check

    def meanwhile(*arguments):
        monkeypatch.setattr(saved_model, "check", check)
        assert export(tmp_path / "x.keras", output, LIMIT).name == "1"
        return check(*arguments)

    monkeypatch.setattr(saved_model, "check", meanwhile)
    assert export(tmp_path / "x.keras", output, LIMIT).name == "2"
    names = [sorted(path.name for path in (output / version).iterdir()) for version in ("1", "2")]
    assert names[0] == names[1]
    assert sorted(path.name for path in output.iterdir()) == ["1", "2"]


def test_four_channels_export_tensors_and_say_so(tmp_path, caplog):
    caplog.set_level("INFO")
    far(4).save(tmp_path / "x.keras")
    model = CppModel(export(tmp_path / "x.keras", tmp_path / "n2n", LIMIT))
    assert set(model.signatures) == {"serving_default", "uint8", "mosaic"}
    assert "no signature `encoded`: PNG and JPEG hold 1 or 3 channels, not 4" in caplog.text


def test_the_command(models, tmp_path, capsys):
    model = models("identity 3")
    assert main(["export", model, "--output", str(tmp_path / "n2n")]) == 0
    assert str(tmp_path / "n2n" / "1") in capsys.readouterr().out
    (tmp_path / "file").touch()
    for arguments, message in [
        ([model, "--output", str(tmp_path / "file")], "is a file; name a directory"),
        (["nowhere", "--output", str(tmp_path / "n2n")], "nowhere: no such model"),
        ([model, "--output", str(tmp_path / "n2n"), "--max-pixels", "9"], "--max-pixels 9: wanted at least 32768"),
    ]:
        assert main(["export", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert main(["export", model, "--output", "/sys/n2n"]) == 1
    assert sorted(path.name for path in (tmp_path / "n2n").iterdir()) == ["1"]


BARE = """
    import sys
    class Blocked:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] == "n2n_tf":
                raise ImportError("n2n_tf is not installed here")
    sys.meta_path.insert(0, Blocked())
    import keras, numpy as np
    network = keras.models.load_model(sys.argv[1])                       # no custom objects, safe_mode on
    image = np.load(sys.argv[2])
    np.save(sys.argv[3], np.asarray(network(image)))

    inputs = keras.Input((64, 32, image.shape[-1]))                      # as a layer of another model
    mean = keras.layers.GlobalAveragePooling2D()(network(inputs))
    other = keras.Model(inputs, keras.layers.Dense(1)(mean))
    before = [w.copy() for w in network.get_weights()]
    other.compile("adam", "mse")
    other.fit(np.concatenate([image] * 4), np.ones((4, 1)), epochs=1, verbose=0)     # fine-tuned
    changed = sum(not np.array_equal(a, b) for a, b in zip(before, network.get_weights()))
    assert changed > 40, changed
    assert "n2n_tf" not in sys.modules
"""


@pytest.mark.parametrize("exported", [3], indirect=True)
def test_the_keras_file_loads_is_a_layer_and_learns_where_n2n_tf_is_not_installed(exported, tmp_path):
    network, version, _ = exported
    image = RNG.random((1, 64, 32, network.input_shape[-1]), np.float32)
    np.save(tmp_path / "image.npy", image)
    paths = [version / "denoiser.keras", tmp_path / "image.npy", tmp_path / "result.npy"]
    subprocess.run([sys.executable, "-c", textwrap.dedent(BARE), *map(str, paths)], check=True, cwd=tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "result.npy"), np.asarray(network(image)), atol=1e-6)
    assert keras.models.load_model(paths[0]).count_params() == network.count_params()


@pytest.mark.parametrize(("dtype", "make"), [("float16", lively), ("bfloat16", far)], ids=["float16", "bfloat16"])
def test_half_precision_says_what_it_costs(dtype, make, tmp_path, caplog):
    caplog.set_level("INFO")
    network = make(3)
    network.save(tmp_path / "x.keras")
    if dtype not in STORABLE:
        with pytest.raises(UsageError, match=r"`half` bfloat16: Keras 2\.15\.\d cannot store it; wanted float16"):
            export(tmp_path / "x.keras", tmp_path / "n2n", LIMIT, half=dtype)
        return
    version = export(tmp_path / "x.keras", tmp_path / "n2n", LIMIT, half=dtype)
    assert "half precision: rms error" in caplog.text
    half = json.loads((version / "model_card.json").read_text())["half"]
    assert half["dtype"] == dtype
    assert 0 < half["rms_error"] < half["largest_error"] < (0.01 if dtype == "float16" else 0.1)
    image = RNG.random((1, 64, 64, 3), np.float32)
    model = CppModel(version)
    found = model.run("serving_default", {"image": image})["denoised"]
    error = np.abs(found - np.asarray(network(image))).max()
    assert half["largest_error"] / 20 < error < 20 * half["largest_error"]
    weights = keras.models.load_model(version / "denoiser.keras").weights
    assert {tf.as_dtype(weight.dtype).name for weight in weights} >= {dtype}
    if make is far:  # no network that `convert` knows; beside either kind of half the weights are whole
        return
    command = ["convert", str(version / "denoiser.weights.h5"), "--output", str(tmp_path / "full.keras")]
    assert main(command) == 0
    for one, other in zip(load_denoiser(tmp_path / "full.keras").weights, network.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_half_precision_of_operators_and_of_networks_in_networks(tmp_path):
    image = keras.Input((None, None, 3))
    keras.Model(image, image - keras.layers.Conv2D(3, 3, padding="same")(image)).save(tmp_path / "residual.keras")
    if KERAS_2:
        with pytest.raises(UsageError, match="`half`: an operator of the network cannot follow; make it a layer"):
            export(tmp_path / "residual.keras", tmp_path / "n2n", LIMIT, half="float16")
    else:
        assert export(tmp_path / "residual.keras", tmp_path / "n2n", LIMIT, half="float16").name == "1"
    keras.Model(image, lively(3)(image)).save(tmp_path / "nested.keras")
    with pytest.raises(UsageError, match="`half`: the network holds another one"):
        export(tmp_path / "nested.keras", tmp_path / "n2n", LIMIT, half="float16")


def test_onnx_gives_what_the_network_gives(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="extra `onnx` and onnxruntime are not installed")
    network = lively(3)
    network.save(tmp_path / "x.keras")
    assert main(["export", str(tmp_path / "x.keras"), "--format", "onnx", "--output", str(tmp_path / "x.onnx")]) == 0
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx")
    for size in ((32, 64), (160, 96)):
        image = RNG.random((1, *size, 3), np.float32)
        (found,) = session.run(None, {session.get_inputs()[0].name: image})
        np.testing.assert_allclose(found, np.asarray(network(image)), rtol=0, atol=1e-5)
    assert main(["export", str(tmp_path / "x.keras"), "--format", "onnx", "--output", str(tmp_path / "x.onnx")]) == 2


@pytest.fixture(scope="module")
def litert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("litert")
    network = lively(3)
    network.save(folder / "x.keras")
    assert main(["export", str(folder / "x.keras"), "--format", "litert", "--output", str(folder / "x.tflite")]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["x.keras", "x.tflite"]
    return network, folder / "x.tflite"


@pytest.mark.parametrize("size", [(64, 64), (45, 48), (1, 1), (33, 97), (160, 96)])
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_litert_gives_what_the_denoiser_gives_for_any_sides(size, litert):
    network, path = litert
    images = RNG.random((2, *size, 3), np.float32)
    interpreter = tf.lite.Interpreter(str(path))
    place = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(place, images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(place, images)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    expected = [n2n_tf.denoise(network, image) for image in images]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_a_format_without_its_package_names_the_extra(models, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    model = models("identity 3")
    assert main(["export", model, "--format", "onnx", "--output", str(tmp_path / "x.onnx")]) == 1
    assert "--format onnx needs tf2onnx: pip install n2n-tf[onnx]" in capsys.readouterr().err
    assert main(["export", model, "--format", "onnx", "--output", str(tmp_path / "x.pb")]) == 2
    assert main(["export", model, "--format", "onnx", "--half", "--output", str(tmp_path / "x.onnx")]) == 2


@pytest.fixture(scope="module")
def raw_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    network = far(4)
    network.save(folder / "x.keras")
    model = CppModel(export(folder / "x.keras", folder / "n2n", LIMIT))
    yield network, model
    model.close()


@pytest.mark.parametrize("pattern", sorted(bayer.RED))
@pytest.mark.parametrize("size", [(2, 2), (3, 2), (64, 64), (65, 90), (97, 66)])
def test_mosaics_go_through_as_their_planes_do(pattern, size, raw_model):
    network, model = raw_model
    mosaic = RNG.normal(0.3, 0.2, size).astype(np.float32)  # below black too
    given = {"mosaic": mosaic[None, ..., None], "pattern": np.array([pattern.encode()], object)}
    planes = n2n_tf.denoise(network, bayer.pack(mosaic, pattern))
    expected = bayer.unpack(planes, pattern, *size)
    np.testing.assert_allclose(model.run("mosaic", given)["denoised"][0, ..., 0], expected, rtol=0, atol=1e-5)


def test_a_batch_of_mosaics_may_have_different_patterns(raw_model):
    _, model = raw_model
    mosaics = RNG.random((2, 34, 36, 1)).astype(np.float32)
    patterns = np.array([b"BGGR", b"GRBG"], object)
    both = model.run("mosaic", {"mosaic": mosaics, "pattern": patterns})["denoised"]
    for one in range(2):
        alone = model.run("mosaic", {"mosaic": mosaics[one : one + 1], "pattern": patterns[one : one + 1]})["denoised"]
        np.testing.assert_allclose(both[one], alone[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "patterns", "message"),
    [
        ((1, 8, 8, 1), [b"RGBG"], "pattern is.*RGBG.*wanted.*RGGB"),
        ((1, 1, 8, 1), [b"RGGB"], "wanted 2 at least"),
        ((2, 8, 8, 1), [b"RGGB"], "wanted one pattern a mosaic"),
        ((1, 8, 8, 4), [b"RGGB"], "not compatible with expected shape"),
        ((8, 8, 1), [b"RGGB"], "not compatible with expected shape"),
    ],
)
def test_what_is_no_mosaic_is_refused(shape, patterns, message, raw_model):
    with pytest.raises(RuntimeError, match=message):
        raw_model[1].run("mosaic", {"mosaic": np.zeros(shape, np.float32), "pattern": np.array(patterns, object)})


def test_mosaics_have_the_limit_of_their_planes(raw_model):
    inputs = {"mosaic": np.zeros((1, 1538, 2 * 97, 1), np.float32), "pattern": np.array([b"RGGB"], object)}
    with pytest.raises(RuntimeError, match=rf"image. .has.*{800 * 128}.*at most.*{LIMIT}"):
        raw_model[1].run("mosaic", inputs)
    inputs["mosaic"] = inputs["mosaic"][:, :1536]
    assert raw_model[1].run("mosaic", inputs)["denoised"].shape == inputs["mosaic"].shape


def test_the_default_limit_is_what_8_gb_hold(models, tmp_path):
    """The paper's U-Net takes 1.4 GB a megapixel beside 0.7 GB of the server (benchmarks/serving.py)."""
    assert 0.7 + MAX_PIXELS / 1e6 * 1.4 < 8
    assert main(["export", models("identity 3"), "--output", str(tmp_path / "n2n")]) == 0
    model, side = CppModel(tmp_path / "n2n" / "1"), math.isqrt(MAX_PIXELS)
    assert model.run("uint8", {"image": np.zeros((1, side, side, 3), np.uint8)})["denoised"].shape[1] == side
    with pytest.raises(RuntimeError, match=f"at most.*{MAX_PIXELS}"):
        model.run("uint8", {"image": np.zeros((1, side, side + 1, 3), np.uint8)})
