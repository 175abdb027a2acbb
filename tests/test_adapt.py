"""Training a little further on the images to denoise."""

import logging

import numpy as np
import pytest
import tifffile

import n2n_tf
from n2n_tf.cli.main import main
from n2n_tf.config import RunError, UsageError
from n2n_tf.tasks import adapting
from n2n_tf.tasks.adapting import RECIPE, adapt
from n2n_tf.training.presets import build_config
from n2n_tf.weights import load_denoiser
from tests.runs import small
from tests.scenes import blurred, gaussian, mixed, scene

pytestmark = pytest.mark.usefixtures("two_layers")
BRIEF = {"patch_size": 64, "steps_per_epoch": 20, "epochs": 3, "learning_rate": 3e-3, "ema": 0.0,
         "mixed_precision": "off"}  # fmt: skip
UNIT = (0.0, 1.0)


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    for name, value in BRIEF.items():
        monkeypatch.setitem(RECIPE, name, value)


@pytest.fixture
def run(photos, tmp_path):
    n2n_tf.train(small(photos, learning_rate=1e-2, steps_per_epoch=60), tmp_path / "run")
    return str(tmp_path / "run")


@pytest.fixture
def noisy(tmp_path):
    """An image under Gaussian noise of σ 25, floats in [0, 1]."""
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "one.tif", gaussian(scene(), 25), photometric="rgb")
    return str(tmp_path / "in" / "one.tif")


def error(network, noisy):
    return float(np.mean((n2n_tf.denoise(network, tifffile.imread(noisy), value_range=UNIT) - scene()) ** 2))


def test_one_image_is_enough(run, noisy):
    assert error(adapt(run, [noisy], 600, UNIT), noisy) < 0.8 * error(load_denoiser(run), noisy)


@pytest.mark.parametrize(
    ("add", "method"),
    [
        (lambda image: gaussian(image, 25), "recorrupted2recorrupted"),
        (lambda image: mixed(image, 1 / 30, 0), "neighbor2neighbor"),
        (lambda image: blurred(image, 25), "neighbor2neighbor"),
    ],
    ids=["one level", "by brightness", "shared by neighbours"],
)
def test_what_teaches_depends_on_the_noise(run, tmp_path, monkeypatch, caplog, request, add, method):
    told = []
    monkeypatch.setattr(logging.getLogger("n2n_tf"), "propagate", True)
    caplog.set_level("INFO", "n2n_tf.tasks.adapting")
    monkeypatch.setattr(adapting, "build_config", lambda settings: told.append(settings) or build_config(settings))
    for number in range(2):
        tifffile.imwrite(tmp_path / f"{number}.tif", add(scene()).astype(np.float32), photometric="rgb")
    adapt(run, [tmp_path / "0.tif", tmp_path / "1.tif"], 1e-3, UNIT)
    assert told[-1].get("method", "neighbor2neighbor") == method
    assert ("adapted in two stages" in caplog.text) == ("shared by neighbours" in request.node.name)


def test_it_is_never_worse_than_the_start(run, noisy, monkeypatch):
    monkeypatch.setitem(RECIPE, "learning_rate", 0.3)
    for before, after in zip(
        load_denoiser(run).get_weights(), adapt(run, [noisy], 600, UNIT).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(before, after)


def test_what_is_told_is_what_chose(run, noisy, caplog, monkeypatch):
    """The mean error: of several images the mean PSNR can fall as it falls."""
    scores = {"estimated_psnr": 27.5, "estimated_mse": 0.002, "reconstruction": 1.0}
    start = {"estimated_psnr": 27.6, "estimated_mse": 0.0025, "reconstruction": 1.0}
    report = {"scores": scores, "start": start, "kept_start": False, "denoiser": run}
    monkeypatch.setattr(adapting, "train", lambda *_: report)
    monkeypatch.setattr(logging.getLogger("n2n_tf"), "propagate", True)
    with caplog.at_level("INFO", "n2n_tf.tasks.adapting"):
        adapt(run, [noisy], 1, UNIT)
    assert "26.02 dB before, 26.99 after" in caplog.text


def test_its_time_is_up(run, noisy, monkeypatch, capsys):
    monkeypatch.setitem(RECIPE, "epochs", 10**5)  # hours
    adapt(run, [noisy], 1e-3, UNIT)
    assert "epoch 1 " in capsys.readouterr().out


def test_the_command_in_the_units_of_the_images(run, tmp_path):
    """12 bits in uint16: their range is found, as training does."""
    image = np.round(gaussian(scene(), 25).clip(0, 1) * 3000 + 100).astype(np.uint16)
    tifffile.imwrite(tmp_path / "twelve.tif", image, photometric="rgb")
    results = {}
    for name, more in (("start", ("--range", "auto")), ("adapted", ("--adapt", "600"))):
        command = ["denoise", run, str(tmp_path / "twelve.tif"), "--output", str(tmp_path / name), *more]
        assert main(command) == 0
        results[name] = tifffile.imread(tmp_path / name / "twelve.tif")
    assert results["adapted"].dtype == np.uint16
    start, after = (float(np.mean((results[name] - 3000 * scene() - 100) ** 2)) for name in ("start", "adapted"))
    assert after < 0.8 * start


def test_what_cannot_be_adapted(models, run, noisy, tmp_path):
    with pytest.raises(UsageError, match=r"is none of our networks; wanted one of residual_unet"):
        adapt(models("identity 3"), [noisy], 600)
    tifffile.imwrite(tmp_path / "tiny.tif", gaussian(scene(), 25)[:20, :20], photometric="rgb")
    with pytest.raises(RunError, match=r"none of 1 images has 3 channels and sides from 64 pixels"):
        adapt(run, [str(tmp_path / "tiny.tif")], 600, UNIT)
