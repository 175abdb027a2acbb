"""Kinds of images by name: n channels, 4 that are no mosaic, channels picked from stacks."""

import json

import numpy as np
import pytest
import tifffile
from conftest import identity
from PIL import Image
from test_raw import write_dng

from n2n_tf.cli.main import main
from n2n_tf.config import RunError, UsageError
from n2n_tf.data.images import find_images
from n2n_tf.evaluation.pictures import comparison, developed, side_by_side
from n2n_tf.exporting.signatures import signatures
from n2n_tf.formats import readers
from n2n_tf.inference import Denoiser, in_range, kind_of_network, load_denoiser
from n2n_tf.training.begin import train
from n2n_tf.training.config import config_from
from n2n_tf.training.presets import build_config
from n2n_tf.value_range import ValueRange
from tests.runs import small

pytestmark = pytest.mark.usefixtures("two_layers")

RNG = np.random.default_rng(0)


def write_channels(path, channels, dtype="int16", side=96):
    values = RNG.normal(-200, 300, (side, side + 7, channels))
    image = values.astype(dtype) if dtype != "uint8" else np.clip(values / 8 + 100, 0, 255).astype(dtype)
    tifffile.imwrite(path, image, photometric="minisblack", planarconfig="contig", extrasamples=(0,) * (channels - 1))
    return image


# settings


@pytest.mark.parametrize(
    ("files", "given", "kind", "channels"),
    [
        (["a.tif"], {}, "RGB", 3),
        (["a.tif"], {"channels": 1}, "gray", 1),
        (["a.tif"], {"channels": 4}, "channels", 4),
        (["a.tif"], {"channels": 5}, "channels", 5),
        (["a.dng"], {}, "mosaic", 4),
        (["a.dng"], {"channels": 4}, "mosaic", 4),
        (["a.dng", "a.tif"], {"channels": 4}, "mosaic", 4),
        ([], {"channels": 4}, "mosaic", 4),  # nothing is seen, as in a bucket
        (["a.tif"], {"kind": "mosaic"}, "mosaic", 4),
        (["a.tif"], {"kind": "gray"}, "gray", 1),
        (["a.tif"], {"channel": ["DAPI"]}, "gray", 1),
    ],
)
def test_the_kind_of_a_run(tmp_path, files, given, kind, channels):
    for file in files:
        (tmp_path / file).touch()
    config = build_config({"data": [str(tmp_path)], "noise": "none", **given})
    saved, config = config.to_json(), config.images
    assert (config.image_kind, config.channels, config.is_mosaic) == (kind, channels, kind == "mosaic")
    assert config_from(json.loads(saved)).images.image_kind == kind  # as a run reads it again


@pytest.mark.parametrize("given", [{"kind": "gray", "channels": 3}, {"kind": "channels", "channels": 3}])
def test_kinds_of_other_counts(given):
    with pytest.raises(UsageError, match="`kind`"):
        build_config({"data": ["x"], "noise": "none", **given})


@pytest.mark.parametrize(("channels", "kind"), [(1, "gray"), (3, "RGB"), (4, "mosaic")])
def test_settings_of_earlier_runs_tell_no_kind(channels, kind):
    saved = json.loads(build_config({"data": ["x"], "noise": "none", "channels": channels}).to_json())
    for name in ("kind", "channel", "range"):
        del saved[name]
    assert config_from(saved).images.image_kind == kind


@pytest.mark.parametrize(("told", "kind"), [("channels", "channels"), ("mosaic", "mosaic"), (None, "mosaic")])
def test_prepared_crops_tell_their_kind(tmp_path, told, kind):
    manifest = {"channels": 4, **({"kind": told} if told else {})}
    (tmp_path / "shards.json").write_text(json.dumps(manifest))
    assert build_config({"data": [str(tmp_path)], "noise": "none", "channels": 4}).images.image_kind == kind


# images


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_pages_of_n_channels(tmp_path, channels):
    image = write_channels(tmp_path / "a.tif", channels)
    found = find_images([str(tmp_path)], channels, kind="channels")
    np.testing.assert_array_equal(readers.read(found.pages[0]), image)


def test_four_channels_are_no_mosaic(tmp_path):
    write_channels(tmp_path / "a.tif", 4)
    with pytest.raises(RunError, match="no raw mosaic"):
        find_images([str(tmp_path)], 4, kind="mosaic")


def test_raw_files_are_mosaics(tmp_path):
    write_dng(tmp_path / "a.dng")
    assert build_config({"data": [str(tmp_path)], "noise": "none"}).images.image_kind == "mosaic"
    assert len(find_images([str(tmp_path)], 4, kind="mosaic")) == 1
    with pytest.raises(RunError, match="a raw mosaic; wanted images of kind channels"):
        find_images([str(tmp_path)], 4, kind="channels")


def test_alpha_is_no_channel(tmp_path):
    Image.fromarray(RNG.integers(0, 255, (70, 70, 4), np.uint8), "RGBA").save(tmp_path / "a.png")
    assert len(find_images([str(tmp_path)], 3)) == 1
    with pytest.raises(RunError, match="3 channel"):
        find_images([str(tmp_path)], 4, kind="channels")


# channels of stacks


def write_ome(path):
    stack = RNG.integers(0, 4000, (2, 3, 80, 90)).astype(np.uint16)  # T, C
    tifffile.imwrite(path, stack, ome=True, metadata={"axes": "TCYX", "Channel": {"Name": ["DAPI", "GFP", "488"]}})
    return stack


@pytest.mark.parametrize(
    ("picked", "channels"), [(["DAPI"], [0]), (["2"], [1]), (["GFP", "1"], [0, 1]), (["488"], [2])]
)
def test_channels_are_picked_by_name_or_number(tmp_path, caplog, picked, channels):
    stack = write_ome(tmp_path / "a.ome.tif")
    caplog.set_level("INFO")
    found = find_images([str(tmp_path)], 1, picked=picked)
    read = [readers.read(page)[..., 0] for page in found.pages]
    np.testing.assert_array_equal(read, stack[:, channels].reshape(-1, 80, 90))
    assert f"channel {', '.join(picked)}: {len(read)} of 6 planes" in caplog.text


@pytest.mark.parametrize(
    ("name", "says"), [("DAPY", "DAPI, GFP, 488, and numbers 1 to 3; did you mean 'DAPI'"), ("4", "numbers 1 to 3")]
)
def test_unknown_channels(tmp_path, name, says):
    write_ome(tmp_path / "a.ome.tif")
    with pytest.raises(UsageError, match=says):
        find_images([str(tmp_path)], 1, picked=[name])


def test_no_axis_of_channels(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((70, 70), np.uint16))
    with pytest.raises(RunError, match="no axis of channels"):
        find_images([str(tmp_path)], 1, picked=["1"])


def test_training_on_one_channel(tmp_path):
    write_ome(tmp_path / "a.ome.tif")
    train(small(tmp_path, noise="none", channel=["DAPI"], epochs=1), tmp_path / "run")
    pages = json.loads((tmp_path / "run/images.json").read_text())["training"]["pages"]
    assert [page[1] for page in pages] == [0, 3]


# denoisers


@pytest.mark.parametrize(
    ("channels", "limits", "kind"),
    [(1, None, "gray"), (3, None, "RGB"), (4, None, "mosaic"), (4, (0, 255), "channels"), (5, (0, 9), "channels")],
)
def test_a_network_tells_its_kind(channels, limits, kind):
    network = in_range(identity(channels), limits and ValueRange(*limits))
    assert kind_of_network(network) == Denoiser(network).kind == kind
    assert ("mosaic" in signatures(network, 32, 10**6)) == (kind == "mosaic")


@pytest.mark.parametrize(("channels", "dtype"), [(5, "int16"), (4, "uint8")])
def test_training_on_n_channels(tmp_path, channels, dtype):
    write_channels(tmp_path / "a.tif", channels, dtype)
    config = small(tmp_path, noise="none", channels=channels, epochs=1)
    train(config, tmp_path / "run")
    network = load_denoiser(tmp_path / "run")
    assert kind_of_network(network) == "channels"
    image = tifffile.imread(tmp_path / "a.tif")
    denoised = Denoiser(network)(image)
    assert (denoised.shape, denoised.dtype) == (image.shape, image.dtype)
    if dtype == "uint8":
        assert list(Denoiser(network).value_range) == pytest.approx([0, 255])


def test_five_channels_from_training_to_export(tmp_path):
    image = write_channels(tmp_path / "a.tif", 5)
    run, model = tmp_path / "run", tmp_path / "model"
    train(small(tmp_path, noise="none", channels=5, epochs=1), run)
    assert main(["denoise", str(run), str(tmp_path / "a.tif"), "--output", str(tmp_path / "out")]) == 0
    with tifffile.TiffFile(tmp_path / "out/a.tif") as result:
        page = result.pages[0]
        assert (page.shape, page.dtype, page.extrasamples) == (image.shape, image.dtype, (0,) * 4)
    assert main(["export", str(run), "--output", str(model)]) == 0
    card = json.loads(next(model.rglob("*card*.json")).read_text())
    assert card["kind"] == "channels"
    assert "mosaic" not in card["signatures"]


# pictures


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_pictures_of_any_channels(channels):
    image = RNG.random((40, 50, channels)).astype(np.float32)
    shown = developed({"noisy": image}, "channels")["noisy"]
    expected = image.mean(-1, keepdims=True) if channels == 2 else image[..., :3]
    np.testing.assert_allclose(shown, expected, rtol=1e-6)
    assert side_by_side({"noisy": image}).width == 50
    assert comparison(image, {"one": image}, "channels").height > 0
