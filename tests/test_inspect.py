"""`inspect` on images of known noise: the numbers, the verdict, the command, the page."""

import argparse
import json
import shlex

import keras
import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import convolve1d
from skimage import data

import n2n_tf
from n2n_tf.cli import train
from n2n_tf.cli.flags import given
from n2n_tf.cli.main import main
from n2n_tf.config import RunError, UsageError
from n2n_tf.inspection.images import middle
from n2n_tf.inspection.verdict import patch_size
from n2n_tf.training.config import Config
from n2n_tf.training.data import find_data
from n2n_tf.training.presets import build_config
from tests.conftest import SHARED
from tests.scenes import RHO, blurred, gaussian, mixed, rounded, scene
from tests.test_raw import BLACK, WHITE, write_dng

KODAK = SHARED / "data/kodak"
CANON = SHARED / "data/raw/canon_x4_bayer.dng"


def save(folder, images):
    folder.mkdir()
    for number, image in enumerate(images):
        pixels = (rounded(image) * 255).round().astype(np.uint8)
        Image.fromarray(pixels.squeeze()).save(folder / f"{number}.png")
    return str(folder)


def run(*arguments):
    """The command, which has to succeed."""
    assert main(["inspect", *map(str, arguments)]) == 0


def can_train(command):
    """The command's settings are those of a run, and its images are found; gives the flags."""
    words = shlex.split(command)
    assert words[:2] == ["n2n-tf", "train"]
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    flags = given(parser.parse_args(words[2:]), Config)
    find_data(build_config(flags))
    return flags


def smoothing(folder):
    """A denoiser: the kernel along rows, by a library of its own in the test."""
    image = keras.Input((None, None, 3))
    layer = keras.layers.DepthwiseConv2D((1, 3), padding="same", use_bias=False)
    network = keras.Model(image, layer(image))
    network.set_weights([np.tile(np.array([0.25, 0.5, 0.25])[None, :, None, None], (1, 1, 3, 1))])
    network.save(folder / "smooth.keras")
    return folder / "smooth.keras"


@pytest.mark.parametrize("channels", [1, 3])
def test_white_noise_fits(channels, tmp_path, capsys):
    folder = save(tmp_path / "a", [gaussian(scene(channels), 15, seed) for seed in range(2)])
    run(folder, "--json", tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())
    part = found["parts"]["all"]
    assert part["noise"]["model"] == "gaussian"
    assert part["noise"]["sigma_in_units"] == pytest.approx(15, rel=0.03)
    assert abs(part["correlation"]["right"]) < 0.03
    assert part["correlation"]["reach"] == 1
    assert found["verdict"]["fits"] is True
    assert found["images"]["channels"] == channels
    assert can_train(found["verdict"]["command"])["channels"] == channels
    told = capsys.readouterr().out
    assert "the method fits" in told
    assert found["verdict"]["command"] in told


def test_shared_noise_does_not_fit_and_the_way_out_is_named(tmp_path):
    folder = save(tmp_path / "a", [blurred(scene(), 15, seed) for seed in range(2)])
    report = n2n_tf.inspect(folder)
    found = report.to_json()
    part = found["parts"]["all"]
    assert part["noise"]["model"] == "correlated"
    assert part["noise"]["sigma_in_units"] == pytest.approx(15, rel=0.05)
    assert part["correlation"]["below"] == pytest.approx(RHO[1], abs=0.04)
    assert found["verdict"]["fits"] is False
    assert list(part["correlation"]["distance"]) == [2, 2]
    assert "pixels 2 apart" in found["verdict"]["advice"]
    assert can_train(found["verdict"]["command"])["noise"] == "none"
    assert "share noise" in report.text()


def test_noise_that_reaches_farther_wants_a_larger_distance(tmp_path):
    kernel = np.array([0.25, 0.7, 1, 0.7, 0.25])
    kernel /= np.linalg.norm(kernel)
    noise = np.random.default_rng(0).normal(size=(2, 320, 384, 3)) * 15 / 255
    for axis in (1, 2):
        noise = convolve1d(noise, kernel, axis=axis, mode="wrap")
    truth = np.correlate(kernel, kernel, "full")[4:]
    wanted = int(np.flatnonzero(truth > 0.1).max()) + 1  # 4
    report = n2n_tf.inspect(save(tmp_path / "a", scene() + noise))
    assert f"pixels {wanted} apart" in report.verdict.advice
    assert list(report.to_json()["parts"]["all"]["correlation"]["distance"]) == [wanted, wanted]
    assert patch_size(report.looked, (wanted, wanted), 256) % (2 * wanted * 32) == 0
    assert can_train(report.verdict.command).get("patch_size", 256) % (2 * wanted * 32) == 0


def test_counts_of_photons_in_16_bits(tmp_path):
    photons, gain = 200.0, 12.0  # at brightness 1; counts a photon
    draw = np.random.default_rng(0).poisson(scene(1, (512, 512))[..., 0] * photons)
    tifffile.imwrite(tmp_path / "a.tif", (100 + gain * draw).astype(np.uint16))
    found = n2n_tf.inspect(tmp_path / "a.tif", range=(100.0, 100 + gain * photons)).to_json()
    part = found["parts"]["all"]
    assert part["noise"]["model"] == "signal-dependent"
    assert part["poisson_gaussian"]["gain"] == pytest.approx(1 / photons, rel=0.08)
    assert found["range"] == {"low": 100, "high": 2500, "of_type": False}
    assert "--range 100 2500" in found["verdict"]["command"]
    can_train(found["verdict"]["command"])


def test_each_plane_of_a_mosaic_alone(tmp_path):
    write_dng(tmp_path / "a.dng", size=(600, 800))  # white, every value from 40 below black to white
    found = n2n_tf.inspect(tmp_path / "a.dng").to_json()
    assert list(found["parts"]) == ["R", "G1", "G2", "B"]
    wanted = (WHITE - BLACK + 40) / np.sqrt(12) / (WHITE - BLACK)
    for part in found["parts"].values():
        assert part["noise"]["sigma"] == pytest.approx(wanted, rel=0.03)
    assert found["verdict"]["fits"] is True


def test_colours_of_unlike_noise_each_alone(tmp_path):
    """One level for all, 28 of 255, told a blur's PSNR up to 3.6 dB wrong."""
    sigma = np.array([15, 25, 40])
    noise = np.random.default_rng(0).normal(size=(2, 320, 384, 3)) * sigma / 255
    noisy = (scene() + noise).astype(np.float32)
    folder = tmp_path / "a"
    folder.mkdir()
    for number, image in enumerate(noisy):
        tifffile.imwrite(folder / f"{number}.tif", image, photometric="rgb")
    report = n2n_tf.inspect(folder, smoothing(tmp_path), range=(0.0, 1.0))
    parts = report.to_json()["parts"]
    assert list(parts) == ["R", "G", "B"]
    assert [255 * part["noise"]["sigma"] for part in parts.values()] == pytest.approx(sigma, rel=0.05)
    assert report.obstacle == ""
    smooth = keras.models.load_model(tmp_path / "smooth.keras").predict(noisy, verbose=0)
    true = -10 * np.log10(np.mean((smooth - scene())[:, 2:-2, 2:-2] ** 2))
    assert report.gain.psnr == pytest.approx(true, abs=0.2)
    assert "Noise of B" in report.write_page(tmp_path / "page").read_text()
    photons = np.stack([mixed(scene(), 1 / 30, 0, seed) for seed in range(2)])  # by brightness, not by colour
    for number, image in enumerate(photons):
        tifffile.imwrite(folder / f"{number}.tif", image, photometric="rgb")
    assert list(n2n_tf.inspect(folder, range=(0.0, 1.0)).to_json()["parts"]) == ["all"]


@pytest.mark.skipif(not CANON.is_file(), reason="no raw file beside this checkout (../shared/data/raw)")
def test_a_cameras_raw_file():
    report = n2n_tf.inspect(CANON)
    assert [part.model for part in report.parts] == ["signal-dependent"] * 4
    assert report.verdict.fits is True
    assert all(part.line.gain == pytest.approx(1.6e-4, rel=0.05) for part in report.parts)  # docs/meters.md


def test_prepared_shards(tmp_path):
    folder = save(tmp_path / "a", [gaussian(scene(), 25, seed) for seed in range(2)])
    assert main(["prepare", "images", folder, "--output", str(tmp_path / "p"), "--crop-size", "256"]) == 0
    found = n2n_tf.inspect(tmp_path / "p").to_json()
    assert found["images"]["unit"] == "crops"
    assert found["parts"]["all"]["noise"]["sigma_of_255"] == pytest.approx(25, rel=0.04)


def test_zarr_planes(tmp_path):
    zarrs = pytest.importorskip("tests.zarrs", reason="zarr 3 wants Python 3.11")
    noisy = gaussian(scene(1, (400, 400), texture=0)[..., 0], 15) * 4000 + 100
    zarrs.write_image(tmp_path / "a.zarr", noisy.round().astype(np.uint16)[None])
    found = n2n_tf.inspect(tmp_path / "a.zarr", range=(100.0, 4100.0)).to_json()
    assert found["images"]["unit"] == "planes"
    assert found["parts"]["all"]["noise"]["sigma_in_units"] == pytest.approx(15 / 255 * 4000, rel=0.04)


def test_what_cannot_be_told_is_said(tmp_path):
    small = n2n_tf.inspect(save(tmp_path / "small", [gaussian(scene(3, (96, 96)), 15)]))
    assert small.verdict.fits is None
    assert "too little flat area" in small.text()
    constant = n2n_tf.inspect(save(tmp_path / "constant", [np.full((64, 64, 3), 0.5)]))
    assert constant.verdict.fits is None
    assert not constant.verdict.command
    clean = n2n_tf.inspect(save(tmp_path / "clean", [scene()]))
    assert clean.verdict.fits is None
    assert "hardly any noise" in clean.text()


def test_jpeg_is_found(tmp_path):
    for seed in range(2):
        noisy = Image.fromarray((rounded(gaussian(data.astronaut() / 255, 15, seed)) * 255).round().astype(np.uint8))
        noisy.save(tmp_path / f"{seed}.jpg", quality=60)
    report = n2n_tf.inspect(tmp_path)
    assert report.verdict.fits is False
    assert "JPEG" in report.text()


def test_a_denoiser_is_scored_without_clean_images(tmp_path):
    clean, folder = scene(texture=0), tmp_path / "a"
    noisy = [gaussian(clean, 10, seed).clip(0, 1) for seed in range(4)]
    save(folder, noisy)
    model = smoothing(tmp_path)
    report = n2n_tf.inspect(folder, model=model, shots=folder)
    smooth = [convolve1d(rounded(image), [0.25, 0.5, 0.25], axis=1, mode="constant") for image in noisy]
    true = np.mean([-10 * np.log10(np.mean((image - clean) ** 2)) for image in smooth])
    before = np.mean([-10 * np.log10(np.mean((rounded(image) - clean) ** 2)) for image in noisy])
    assert report.gain.psnr == pytest.approx(true, abs=0.2)
    assert report.gain.before == pytest.approx(before, abs=0.2)
    assert report.shots.psnr == pytest.approx(true, abs=0.2)
    assert report.verdict.command.startswith("n2n-tf denoise")
    assert abs(report.residual.with_image) < 0.1


def test_the_estimate_is_not_valid_where_noise_is_shared(tmp_path):
    folder = save(tmp_path / "a", [blurred(scene(), 15)])
    report = n2n_tf.inspect(folder, model=smoothing(tmp_path))
    assert report.gain.valid is False
    assert "not valid: noise is correlated" in report.text()
    assert "dB after" not in report.text()


def test_a_denoiser_that_does_harm_is_not_recommended(tmp_path):
    folder = save(tmp_path / "a", [gaussian(scene(), 5, seed) for seed in range(2)])  # a quarter is texture
    report = n2n_tf.inspect(folder, model=smoothing(tmp_path))
    assert report.gain.psnr < report.gain.before
    assert "makes these images worse" in report.verdict.advice
    assert report.verdict.command.startswith("n2n-tf train")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nowhere"], 2, "nowhere: no such folder or file"),
        (["{folder}", "--images", "0"], 2, "--images 0: wanted at least 1"),
        (["{folder}", "--channels", "1"], 1, "no usable image"),
        (["{folder}", "--model", "nowhere"], 2, "nowhere: no such model"),
        (["{folder}", "--range", "5", "1"], 2, "--range 5.0 1.0: wanted"),
        (["{folder}", "--shots", "{folder}"], 2, "1 shots; wanted 4"),
        (["{tiny}"], 1, "12×12 pixels, smaller than the 16×16 needed"),
    ],
    ids=["no path", "no images", "channels", "no model", "range", "shots", "tiny"],
)
def test_wrong_input_is_one_error(arguments, status, message, tmp_path, capsys):
    places = {
        "folder": save(tmp_path / "a", [gaussian(scene(), 15)]),
        "tiny": save(tmp_path / "b", [scene(3, (12, 12))]),
    }
    assert main(["inspect", *(each.format(**places) for each in arguments)]) == status
    assert message in capsys.readouterr().err


def test_python_errors_name_fields(tmp_path):
    with pytest.raises(UsageError, match="`shots`"):
        n2n_tf.inspect(save(tmp_path / "a", [gaussian(scene(), 15)]), shots=tmp_path / "nothing")
    with pytest.raises(RunError, match="no usable image"):
        n2n_tf.inspect(tmp_path / "a", channels=1)


def test_some_of_many_always_the_same_and_of_large_ones_the_middle(tmp_path):
    folder = save(tmp_path / "a", [gaussian(scene(1, (64, 64)), 5 + seed) for seed in range(9)])
    one, other = (n2n_tf.inspect(folder, images=3) for _ in range(2))
    assert (len(one.looked.stored), one.looked.found) == (3, 9)
    assert all(map(np.array_equal, one.looked.stored, other.looked.stored))
    image = np.arange(400 * 300).reshape(400, 300, 1)
    part = middle(image, 10_000)
    row, column = divmod(int(part[0, 0, 0]), 300)
    assert part.shape[0] * part.shape[1] <= 10_000
    assert row % 16 == column % 16 == 0
    assert abs(row + part.shape[0] / 2 - 200) < 20


@pytest.mark.skipif(not KODAK.is_dir(), reason="Kodak's images are not beside this checkout (../shared/data/kodak)")
def test_photographs(tmp_path):
    paths = sorted(KODAK.glob("*.png"))[:4]
    clean = [np.asarray(Image.open(path), np.float32) / 255 for path in paths]
    white = n2n_tf.inspect(save(tmp_path / "a", [gaussian(image, 25, seed) for seed, image in enumerate(clean)]))
    assert white.verdict.fits is True
    assert 255 * white.parts[0].sigma == pytest.approx(25, rel=0.03)
    photons = n2n_tf.inspect(save(tmp_path / "b", [mixed(image, 1 / 30, 0, s) for s, image in enumerate(clean)]))
    assert photons.parts[0].model == "signal-dependent"
    assert photons.parts[0].line.gain == pytest.approx(1 / 30, rel=0.05)


def test_the_page_opens_in_a_browser_without_an_error(browser, tmp_path):
    folder = save(tmp_path / "a <b>", [blurred(scene(), 15)])
    n2n_tf.inspect(folder, model=smoothing(tmp_path)).write_page(tmp_path / "page")
    browser.get_log("browser")
    browser.get((tmp_path / "page/index.html").as_uri())
    pictures = browser.find_elements("css selector", "img")
    assert browser.get_log("browser") == []
    assert len(pictures) == 4  # where it was measured; noisy, denoised, removed
    assert all(browser.execute_script("return arguments[0].naturalWidth", each) > 0 for each in pictures)
    assert len(browser.find_elements("css selector", "svg")) == 2
    assert "does not fit" in browser.find_element("css selector", ".verdict.false").text
    assert folder in browser.find_element("css selector", "pre").text
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert all(name.startswith("data:") for name in loaded)
