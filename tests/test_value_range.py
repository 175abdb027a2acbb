"""Images in their own units: what a range is, where it lies in a denoiser, and that units change nothing but units."""

import json

import imagecodecs
import keras
import numpy as np
import pytest
import tifffile
from conftest import identity, negative

import n2n_tf
from n2n_tf.cli.main import main
from n2n_tf.config import RunError, UsageError
from n2n_tf.data.images import find_images
from n2n_tf.exporting import export
from n2n_tf.exporting.cpp_loader import CppModel
from n2n_tf.formats.pixels import partner_range
from n2n_tf.inference import Denoiser, footprint_of, in_range, load_denoiser, range_of, read_form, save_denoiser
from n2n_tf.networks import NETWORKS
from n2n_tf.training.presets import build_config
from n2n_tf.value_range import ValueRange, filled, misfit, robust_range
from tests.runs import SMALL, small

pytestmark = pytest.mark.usefixtures("two_layers")

RNG = np.random.default_rng(0)
TWELVE = ValueRange(96.0, 4000.0)
TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float16", "float32", "float64"]


# what a range is


def test_a_robust_range_is_of_percentiles_of_all_pixels():
    images = [RNG.normal(1000, 100, (64, 64, 1)), RNG.normal(1200, 100, (50, 40, 2))]
    images[0][0, 0] = 1e9  # a hot pixel
    images[1][0, 0, 0] = np.nan
    whole = np.concatenate([image.ravel() for image in images])
    expected = np.percentile(whole[np.isfinite(whole)], [0.1, 99.9])
    np.testing.assert_allclose(list(robust_range(images)), expected)


@pytest.mark.parametrize("image", [np.full((4, 4), 7), np.full((3, 3), np.nan), np.zeros((0,))])
def test_equal_pixels_have_no_range(image):
    assert robust_range([image]) is None


def test_few_bright_pixels_on_equal_ones():
    image = np.zeros((100, 100), np.uint16)
    image[3, 4] = 900
    assert robust_range([image]) == ValueRange(0, 900)


@pytest.mark.parametrize("limits", [(1, 1), (2, 1), (float("nan"), 1), (0, float("inf"))])
def test_no_ranges(limits):
    with pytest.raises(ValueError, match="ascending"):
        ValueRange(*limits)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float16", "float32", "float64"]
)
def test_units_of_each_type(dtype):
    image = (RNG.random((5, 6, 1)) * 100).astype(dtype)
    unit = ValueRange(10, 90).to_unit(image)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit, (image.astype(np.float64) - 10) / 80, atol=1e-6)


def test_thirty_two_bits_keep_their_differences():
    image = np.array([2**31, 2**31 + 1, 2**31 + 2], np.uint32)  # all one number as float32
    np.testing.assert_array_equal(ValueRange(2**31, 2**31 + 2).to_unit(image), np.float32([0, 0.5, 1]))


@pytest.mark.parametrize(
    ("scale", "offset", "fits"), [(1, 0, True), (0.5, 0, True), (1 / 16, 0, False), (16, 0, False), (1, -9000, False)]
)
def test_other_units_are_noticed(scale, offset, fits):
    image = RNG.normal(2000, 600, (50, 50)) * scale + offset
    assert (misfit(image, TWELVE) is None) == fits


def test_twelve_bits_in_sixteen_are_noticed():
    image = RNG.integers(0, 4096, (50, 50))
    assert misfit(image.astype(np.uint16), None)
    assert misfit((image * 16).astype(np.uint16), None) is None
    assert misfit((image / 400).astype(np.uint8), None) is None  # dark, but of 8 bits


def test_a_dark_mosaic_is_in_no_other_units():
    """Its black is 0 and its white 1, at night too."""
    dark = np.full((32, 32, 4), 0.01, np.float32)
    dark[:16] = 0.02
    assert misfit(dark, None)
    assert Denoiser(identity(4)).misfit(dark) is None


def test_missing_pixels_get_the_nearest_number():
    image = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    image[0, 0], image[2, 3] = np.nan, np.inf
    whole, missing = filled(image)
    assert np.argwhere(missing).tolist() == [[0, 0, 0], [2, 3, 0]]
    assert whole[0, 0, 0] in (1, 4)
    assert whole[2, 3, 0] in (7, 10)
    np.testing.assert_array_equal(whole[~missing], image[~missing])


# inside a denoiser


@pytest.mark.parametrize("name", NETWORKS)
def test_two_layers_and_nothing_else(name, tmp_path):
    network = NETWORKS[name](1, features=4, seed=1)
    ranged = in_range(network, TWELVE)
    assert range_of(ranged) == TWELVE
    assert range_of(network) is None
    assert len(ranged.layers) == len(network.layers) + 2
    image = RNG.random((1, 64, 32, 1)).astype(np.float32)
    expected = network(image).numpy() * 3904 + 96
    np.testing.assert_allclose(ranged(image * 3904 + 96).numpy(), expected, atol=3904e-5)
    if name != "rrg":  # which is never tiled
        assert footprint_of(ranged) == footprint_of(network)
    ranged.save(tmp_path / "a.keras")
    assert range_of(keras.models.load_model(tmp_path / "a.keras")) == TWELVE  # stock layers: no n2n_tf needed


def test_operators_and_sequences_can_be_ranged():
    image = keras.Input((None, None, 1))
    subtracted = keras.Model(image, image - keras.layers.Conv2D(1, 3, padding="same")(image))
    chain = keras.Sequential([keras.Input((None, None, 1)), keras.layers.Conv2D(1, 3, padding="same")])
    x = RNG.random((1, 8, 8, 1)).astype(np.float32)
    for network in (subtracted, chain):
        np.testing.assert_allclose(in_range(network, ValueRange(0, 10))(x * 10), network(x) * 10, rtol=1e-4, atol=1e-5)


def test_weights_tell_the_range(tmp_path):
    network = in_range(NETWORKS["residual_unet"](1, features=4, seed=2), TWELVE)
    save_denoiser(network, tmp_path / "a.keras")
    assert read_form(tmp_path / "a.weights.h5")[1:] == (1, 4, TWELVE)
    assert main(["convert", str(tmp_path / "a.weights.h5"), "--output", str(tmp_path / "b.keras")]) == 0
    again = load_denoiser(tmp_path / "b.keras")
    assert range_of(again) == TWELVE
    for one, other in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float16", "float32", "float64"]
)
def test_every_type_comes_back(dtype):
    image = (RNG.random((40, 33, 1)) * 100).astype(dtype)
    ranged = in_range(identity(1), ValueRange(10, 90))
    result = n2n_tf.denoise(ranged, image)
    assert result.dtype == image.dtype
    np.testing.assert_allclose(result.astype(float), image.astype(float), atol=1e-2 if dtype == "float16" else 1e-4)
    result = n2n_tf.denoise(negative(1), image, value_range=(0, 100))
    expected = 100 - image.astype(float)
    np.testing.assert_allclose(result.astype(float), expected, atol=0.1 if dtype == "float16" else 1e-4)


def test_integers_are_clipped_to_their_type():
    ranged = in_range(negative(1), ValueRange(0, 300))
    assert n2n_tf.denoise(ranged, np.full((32, 32), 200, np.uint8)).max() == 100
    assert n2n_tf.denoise(ranged, np.zeros((32, 32), np.uint8)).max() == 255
    assert n2n_tf.denoise(ranged, np.full((32, 32), 400, np.int16)).max() == -100


def test_a_denoiser_told_of_units_gives_them_back():
    network = NETWORKS["residual_unet"](1, features=4, seed=3)
    ranged, image = in_range(network, TWELVE), RNG.normal(2000, 600, (70, 40)).astype(np.float32)
    expected = n2n_tf.denoise(ranged, image)
    for scale, offset in ((1 / 16, 0), (3, -9000)):
        told = tuple(limit * scale + offset for limit in TWELVE)
        result = n2n_tf.denoise(ranged, image * scale + offset, value_range=told)
        np.testing.assert_allclose((result - offset) / scale, expected, atol=0.5)
    with pytest.raises(ValueError, match="value range 'largest': wanted auto, dtype"):
        Denoiser(ranged, value_range="largest")


def test_pixels_that_are_no_numbers_stay_what_they_are():
    image = RNG.random((40, 40, 1)).astype(np.float32)
    image[3:5, 6:9], image[30, 30] = np.nan, -np.inf
    result = n2n_tf.denoise(negative(1), image)
    wrong = ~np.isfinite(image)
    np.testing.assert_array_equal(result[wrong], image[wrong])
    np.testing.assert_allclose(result[~wrong], 1 - image[~wrong], atol=1e-6)
    masked = n2n_tf.denoise(negative(1), np.ma.masked_less(np.where(wrong, 0.5, image), 0.1))
    assert masked.mask.sum() == (np.where(wrong, 0.5, image) < 0.1).sum()


# settings


@pytest.mark.parametrize("given", [["x"], ["1"], ["2", "1"], ["auto", "dtype"], ["nan", "1"], ["0", "inf"]])
def test_settings_that_are_no_range(given, capsys):
    for command in (["train", "--data", "x", "--noise", "none"], ["denoise", "m", "x", "--output", "o"]):
        assert main([*command, "--range", *given]) == 2
        assert "wanted auto or dtype, or two numbers in ascending order" in capsys.readouterr().err


def test_toml_and_json_forms():
    assert build_config({"data": ["x"], "noise": "none", "range": [0, 4095]}).images.limits == (0.0, 4095.0)
    assert build_config({"data": ["x"], "noise": "none", "range": "dtype"}).images.limits is None
    for given in ([0, 4095], "dtype"):
        with pytest.raises(UsageError, match="raw mosaics have one"):
            build_config({"data": ["x"], "noise": "none", "channels": 4, "range": given})


# runs


def scene(dtype, scale=1.0, offset=0.0, sigma=8.0, seed=0):
    """Noisy 8-bit intensities of a smooth scene in other units."""
    rows, columns = np.mgrid[:96, :80] / 12
    noisy = 110 + 60 * np.sin(rows) * np.cos(columns) + np.random.default_rng(seed).normal(0, sigma, (96, 80))
    return (np.rint(noisy) * scale + offset).astype(dtype)


def write_set(folder, *args):
    folder.mkdir(parents=True)
    for number in range(3):
        tifffile.imwrite(folder / f"{number}.tif", scene(*args, seed=number))
    return folder


UNITS = {  # type, scale, offset
    "times16": ("uint16", 16, 0),
    "float": ("float32", 1 / 255, 0),
    "i16": ("int16", 3, -400),
    "u32": ("uint32", 7e6, 0),
}


def trained(folder, out, **settings):
    config = build_config({"data": [str(folder)], "noise": "none", "channels": 1, **SMALL, "epochs": 1, **settings})
    n2n_tf.train(config, out)
    return load_denoiser(out)


@pytest.fixture(scope="module")
def u16(tmp_path_factory):
    folder = tmp_path_factory.mktemp("u16")
    return trained(write_set(folder / "set", "uint16"), folder / "run"), folder / "run"


@pytest.mark.parametrize("name", UNITS)
def test_units_change_nothing_but_units(name, u16, tmp_path):
    _, scale, offset = UNITS[name]
    network = trained(write_set(tmp_path / "set", *UNITS[name]), tmp_path / "run")
    np.testing.assert_allclose(
        list(range_of(network)), [limit * scale + offset for limit in range_of(u16[0])], rtol=1e-5
    )
    expected = n2n_tf.denoise(u16[0], scene("float64", seed=9))
    result = n2n_tf.denoise(network, scene("float64", scale, offset, seed=9))
    np.testing.assert_allclose((result - offset) / scale, expected, atol=0.05)  # of 8-bit steps: training rounds
    assert np.abs(expected - scene("float64", seed=9)).max() > 1  # it does something


def test_a_run_tells_its_range_and_keeps_it(u16, tmp_path, caplog):
    network, out = u16
    low, high = range_of(network)
    assert json.loads((out / "config.json").read_text())["value_range"] == [low, high]
    assert json.loads((out / "report.json").read_text())["value_range"] == [low, high]
    pixels = np.concatenate([scene("uint16", seed=number).ravel() for number in range(3)])
    assert [low, high] == np.percentile(pixels, [0.1, 99.9]).tolist()
    assert n2n_tf.resume(out)["value_range"] == [low, high]


@pytest.mark.parametrize("given", [(["dtype"], None), (["0", "250"], ValueRange(0, 250))])
def test_a_range_as_asked_for(given, tmp_path):
    words, expected = given
    folder = write_set(tmp_path / "set", "uint16")
    flags = [
        "--noise",
        "none",
        "--channels",
        "1",
        *(f"--{k.replace('_', '-')}={v}" for k, v in {**SMALL, "epochs": 1}.items()),
    ]
    assert main(["train", "--data", str(folder), *flags, "--output", str(tmp_path / "run"), "--range", *words]) == 0
    assert range_of(load_denoiser(tmp_path / "run")) == expected


def test_eight_bits_have_no_range_inside(photos, tmp_path):
    n2n_tf.train(small(photos, epochs=1), tmp_path / "run")
    assert range_of(load_denoiser(tmp_path / "run")) is None
    assert json.loads((tmp_path / "run/config.json").read_text())["value_range"] is None


def test_pictures_of_a_run_are_not_black(tmp_path):
    folder = write_set(tmp_path / "set", "uint16")
    trained(folder, tmp_path / "run", range=["dtype"], epochs=1)
    picture = imagecodecs.png_decode((tmp_path / "run/samples/before_after.png").read_bytes())
    assert picture[:90].max() > 200


def test_crops_of_images_with_missing_pixels(tmp_path):
    """Each is filled from its own pixels; one that has none, from the nearest of the image."""
    image = RNG.random((256, 70)).astype(np.float32)
    image[:130] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", image)
    images = find_images([str(tmp_path)], 1)
    for top in (0, 60, 100, 150):
        crop = images.read(0, 64, (top, 3))[0][..., 0]
        original = image[top : top + 64, 3:67]
        there = np.isfinite(original)
        np.testing.assert_array_equal(crop[there], original[there])
        assert set(crop[~there]) <= set(image[130:].ravel())
    np.testing.assert_array_equal(images.read(0, 64, (60, 3))[0][..., 0], np.tile(image[130, 3:67], (64, 1)))
    tifffile.imwrite(tmp_path / "a.tif", np.full((256, 70), np.nan, np.float32))
    with pytest.raises(RunError, match="no pixel that is a number"):
        images.read(0, 64, (0, 0))


def test_constant_images_are_refused(tmp_path, capsys):
    (tmp_path / "set").mkdir()
    tifffile.imwrite(tmp_path / "set/a.tif", np.full((96, 96), 500, np.uint16))
    command = ["train", "--data", str(tmp_path / "set"), "--noise", "none", "--channels", "1", "--patch-size", "64"]
    assert main([*command, "--output", str(tmp_path / "run")]) == 1
    assert "all pixels of the training images are equal" in capsys.readouterr().err


# files and servers


def test_files_in_other_units_are_warned_of_or_told(u16, tmp_path, capsys):
    for name, scale in (("own", 1), ("times16", 16)):
        tifffile.imwrite(tmp_path / f"{name}.tif", scene("uint16", scale, seed=5))
    command = ["denoise", str(u16[1]), str(tmp_path / "own.tif"), str(tmp_path / "times16.tif")]
    assert main([*command, "--output", str(tmp_path / "a")]) == 0
    err = capsys.readouterr().err
    assert "times16.tif: its pixels lie from" in err
    assert "own.tif: its" not in err
    low, high = (16 * limit for limit in range_of(u16[0]))
    assert main([*command[:2], command[3], "--output", str(tmp_path / "b"), "--range", str(low), str(high)]) == 0
    assert "its pixels" not in capsys.readouterr().err
    own, told = (tifffile.imread(tmp_path / name) for name in ("a/own.tif", "b/times16.tif"))
    assert told.dtype == np.uint16
    assert np.abs(told / 16 - own).max() <= 0.6  # half a step of own's, rounded


def test_a_stack_in_other_units_is_named_once(u16, tmp_path, capsys):
    tifffile.imwrite(tmp_path / "a.tif", np.stack([scene("uint16", 16, seed=seed) for seed in range(3)]))
    assert main(["denoise", str(u16[1]), str(tmp_path / "a.tif"), "--output", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err.count("its pixels lie from") == 1


def test_an_export_takes_the_files_own_numbers(u16, tmp_path):
    exported = CppModel(export(u16[1], tmp_path / "model", 2**20))
    image = scene("uint16", seed=6)[..., None]
    expected = n2n_tf.denoise(u16[0], image)
    result = exported.run("serving_default", {"image": image[None].astype(np.float32)})["denoised"][0]
    np.testing.assert_allclose(result, n2n_tf.denoise(u16[0], image.astype(np.float32)), atol=2e-3)
    files = np.array([bytes(imagecodecs.png_encode(image[..., 0]))], dtype=object)
    answer = imagecodecs.png_decode(exported.run("encoded", {"image_bytes": files})["denoised_bytes"][0])
    np.testing.assert_array_equal(answer, expected[..., 0])
    exported.close()
    card = json.loads((tmp_path / "model/1/model_card.json").read_text())
    assert card["value_range"] == list(range_of(u16[0]))


def test_half_precision_keeps_the_units_whole(u16, tmp_path):
    version = export(u16[1], tmp_path / "model", 2**20, "float16")
    half, image = load_denoiser(version / "denoiser.keras"), scene("uint16", seed=7)
    assert range_of(half) == range_of(u16[0])
    assert np.abs(n2n_tf.denoise(half, image).astype(int) - n2n_tf.denoise(u16[0], image)).max() <= 2


def test_evaluation_is_in_units_of_the_range(u16, tmp_path):
    clean = scene("uint16", sigma=0)
    for name, image in (("clean", clean), ("noisy", scene("uint16", seed=8))):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / f"{name}/a.tif", image)
    command = ["evaluate", str(u16[1]), "--noisy", str(tmp_path / "noisy"), "--clean", str(tmp_path / "clean")]
    assert (
        main([*command, "--protocol", "float", "--output", str(tmp_path / "out"), "--json", str(tmp_path / "j")]) == 0
    )
    found = json.loads((tmp_path / "j").read_text())["sets"]["noisy"]["psnr"]
    low, high = range_of(u16[0])
    denoised = n2n_tf.denoise(u16[0], scene("uint16", seed=8).astype(np.float32))
    unit, truth = (np.clip((each - low) / (high - low), 0, 1) for each in (denoised, clean))
    assert found == pytest.approx(-10 * np.log10(np.mean((unit - truth) ** 2)), abs=0.01)


def test_evaluation_in_other_units_is_warned_of(u16, tmp_path, capsys):
    (tmp_path / "clean").mkdir()
    tifffile.imwrite(tmp_path / "clean/a.tif", scene("uint16", 100, sigma=0))
    command = ["evaluate", str(u16[1]), "--data", str(tmp_path / "clean"), "--noise", "gaussian", "--protocol", "float"]
    assert main([*command, "--output", str(tmp_path / "a")]) == 0
    assert "a.tif: its pixels lie from" in capsys.readouterr().err
    assert main([*command, "--output", str(tmp_path / "b"), "--range", "auto"]) == 0
    assert "its pixels" not in capsys.readouterr().err


def test_evaluation_by_types_of_images_that_fill_little_of_theirs_is_warned_of(tmp_path, models, capsys):
    """12 bits in 16: all scores would be near 60 dB, and the denoiser's below the noisy images'."""
    for name, sigma in (("noisy", 60), ("clean", 0)):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", scene("uint16", 100, sigma=sigma) // 16)
    pairs = ["--noisy", str(tmp_path / "noisy"), "--clean", str(tmp_path / "clean"), "--protocol", "float"]
    command = ["evaluate", models("identity 1"), *pairs, "--output"]
    assert main([*command, str(tmp_path / "a")]) == 0
    assert "noisy/a.tif: its pixels lie from" in (said := capsys.readouterr().err)
    assert "the models' from the whole of its type: if they are in other units" in said
    for path in tmp_path.glob("*/a.tif"):
        tifffile.imwrite(path, tifffile.imread(path) * 16)
    assert main([*command, str(tmp_path / "b")]) == 0
    for path in tmp_path.glob("*/a.tif"):
        tifffile.imwrite(path, tifffile.imread(path) / np.float32(2**20))
    assert main([*command, str(tmp_path / "c")]) == 0  # dim, as floats may be
    assert "its pixels" not in capsys.readouterr().err


COUNTS, SHARES = np.array([[[300.0]], [[1099.5]]]), np.array([[[0.1]], [[1.02]]])


@pytest.mark.parametrize(
    ("partner", "other", "told", "expected"),
    [
        (COUNTS.astype(np.uint16), "uint16", TWELVE, TWELVE),
        (COUNTS.astype(np.uint16), "int16", TWELVE, TWELVE),
        (COUNTS.astype(np.uint32), "uint16", TWELVE, TWELVE),
        (COUNTS.astype(np.float32), "uint16", TWELVE, TWELVE),  # the mean of many exposures
        (COUNTS.astype(np.float32), "uint16", None, ValueRange(0, 65535)),
        (COUNTS.astype(np.float32), "uint8", None, ValueRange(0, 255)),
        (np.uint16(COUNTS), "float32", TWELVE, TWELVE),
        (np.uint16(COUNTS), "float32", ValueRange(0, 1), None),
        (COUNTS, "float32", TWELVE, TWELVE),
        (np.float32([[[3.0]], [[3.0]]]), "uint16", TWELVE, TWELVE),  # a dim one, and flat
        (SHARES.astype(np.float32), "uint16", TWELVE, None),
        (SHARES.astype(np.float16), "float32", TWELVE, TWELVE),
        (np.uint8(COUNTS / 5), "uint16", TWELVE, None),  # an 8-bit picture of it
        (np.uint16(COUNTS), "uint8", ValueRange(0, 255), None),
    ],
)
def test_the_units_of_a_partner(partner, other, told, expected):
    assert partner_range(partner, np.dtype(other), told) == expected
