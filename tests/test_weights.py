"""Runs that start from weights, and the denoisers that come with the package."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

import n2n_tf
from n2n_tf.cli.main import main
from n2n_tf.config import UsageError
from n2n_tf.inference import layers_of
from n2n_tf.networks import NETWORKS
from n2n_tf.tasks import assigned
from n2n_tf.training import begin, precision
from n2n_tf.training.build import take_weights
from n2n_tf.training.presets import STARTS, build_config
from n2n_tf.training.settings import RunSettings
from n2n_tf.training.stages import shared
from n2n_tf.weights import SHIPPED, load_denoiser, name_of
from tests.runs import rows, small, trained
from tests.scenes import blurred, scene

two_layers = pytest.mark.usefixtures("two_layers")


@two_layers
def test_a_run_starts_from_the_weights_of_another(photos, tmp_path):
    n2n_tf.train(small(photos), tmp_path / "one")
    start = load_denoiser(tmp_path / "one").get_weights()
    n2n_tf.train(small(photos, weights=str(tmp_path / "one"), learning_rate=1e-12), tmp_path / "two")
    for before, after in zip(start, trained(tmp_path / "two"), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-9)
    n2n_tf.train(small(photos, learning_rate=1e-12), tmp_path / "three")  # and without them from its own
    assert any(not np.allclose(a, b) for a, b in zip(start, trained(tmp_path / "three"), strict=True))


@two_layers
def test_the_best_denoiser_is_never_worse_than_the_start(photos, tmp_path):
    first = n2n_tf.train(small(photos), tmp_path / "one")
    second = n2n_tf.train(
        small(photos, weights=str(tmp_path / "one"), learning_rate=30.0, warmup_steps=0, noise_once=False),
        tmp_path / "two",
    )
    assert max(float(row["val_psnr"]) for row in rows(tmp_path / "two")) < first["scores"]["psnr"] - 0.5  # it got worse
    assert second["scores"]["psnr"] == pytest.approx(first["scores"]["psnr"], abs=1e-4)
    assert second["kept_start"]


@two_layers
def test_what_it_started_from_may_go(photos, tmp_path):
    n2n_tf.train(small(photos), tmp_path / "one")
    n2n_tf.train(small(photos, weights=str(tmp_path / "one")), tmp_path / "two")
    shutil.rmtree(tmp_path / "one")
    (tmp_path / "two" / "report.json").unlink()
    assert begin.resume(tmp_path / "two")["scores"]["psnr"] > 0


@two_layers
def test_weights_of_another_network(photos, tmp_path):
    n2n_tf.train(small(photos), tmp_path / "one")
    with pytest.raises(UsageError, match=r"`weights` .*one: of another network; wanted `network` two_layers with"):
        n2n_tf.train(small(photos, weights=str(tmp_path / "one"), features=8), tmp_path / "two")
    with pytest.raises(UsageError, match=r"nowhere: no such model; .* comes with n2n-tf: blind, blind_gray"):
        n2n_tf.train(small(photos, weights="nowhere"), tmp_path / "two")
    assert not (tmp_path / "two").exists()


def test_the_names_are_those_of_the_files():
    assert {*SHIPPED} == {*assigned.SHIPPED} == {*STARTS.values()}


def test_networks_of_equal_shapes_are_not_taken_for_each_other():
    with pytest.raises(UsageError, match=r"`weights` blind: of another network; wanted `network` unet"):
        take_weights(NETWORKS["unet"](3), "blind", "weights")


@two_layers
def test_trials_are_judged_by_what_they_trained(photos, tmp_path):
    n2n_tf.train(small(photos), tmp_path / "one")
    n2n_tf.train(small(photos, weights=str(tmp_path / "one"), gamma="auto", learning_rate=0.3), tmp_path / "two")
    trials = json.loads((tmp_path / "two" / "trials.json").read_text())["trials"]
    assert len({each["psnr"] for each in trials}) == 4


@two_layers
def test_two_stages_are_never_worse_than_the_start(tmp_path):
    """Noise that neighbours share, and a rate that ruins the network."""
    (tmp_path / "in").mkdir()
    for seed in range(3):
        Image.fromarray(np.uint8(255 * blurred(scene(), 15, seed).clip(0, 1))).save(tmp_path / "in" / f"{seed}.png")
    settings = {"noise": "none", "correlated": [2.0], "steps_per_epoch": 12, "patch_size": 128}
    n2n_tf.train(small(tmp_path / "in", **{**settings, "correlated": ["off"]}), tmp_path / "one")
    start = load_denoiser(tmp_path / "one")
    ruined = small(tmp_path / "in", **settings, weights=str(tmp_path / "one"), learning_rate=3.0)
    report = n2n_tf.train(ruined, tmp_path / "two")
    assert report["scores"]["reconstruction"] <= report["start"]["reconstruction"]
    for one, two in zip(start.get_weights(), load_denoiser(tmp_path / "two").get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@two_layers
@pytest.mark.parametrize("seconds", [1e-6, 1e6])
def test_a_run_ends_when_its_time_is_up(photos, tmp_path, seconds):
    """And stays ended."""
    n2n_tf.train(small(photos, seconds=seconds, learning_rate_schedule="constant"), tmp_path / "run")
    assert len(rows(tmp_path / "run")) == (1 if seconds < 1 else 2)
    begin.resume(tmp_path / "run")
    assert len(rows(tmp_path / "run")) == (1 if seconds < 1 else 2)


def test_two_stages_share_the_seconds():
    first, second = shared(RunSettings(epochs=8, seconds=60.0), 100)
    assert (first.epochs, first.seconds, second.epochs, second.seconds) == (6, 45.0, 2, 15.0)


@two_layers
def test_the_precision_that_was_found_is_kept(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(begin, "fastest", lambda: "bfloat16")
    n2n_tf.train(small(photos, mixed_precision="auto"), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["chosen"] == {"mixed_precision": "bfloat16"}
    monkeypatch.setattr(begin, "fastest", lambda: pytest.fail("asked again"))
    begin.resume(tmp_path / "run")


@pytest.mark.parametrize(
    ("times", "found"), [((1.0, 0.5), "bfloat16"), ((1.0, 0.95), "off"), ((1.0, 30.0), "off"), (None, "off")]
)
def test_the_type_is_the_faster_one_by_a_clear_margin(times, found, monkeypatch):
    """None: a processor that has none of it."""
    clock = [0.0]

    def step(dtype):
        if times is None and dtype == tf.bfloat16:
            raise tf.errors.AbortedError(None, None, "could not create a primitive descriptor")

        def work():
            clock[0] += (times or (1.0, 1.0))[dtype == tf.bfloat16]
            return 0.0

        return work

    monkeypatch.setattr(precision, "_step", step)
    monkeypatch.setattr(precision.time, "perf_counter", lambda: clock[0])
    assert precision.fastest() == found


def test_quick_starts_from_what_comes_with_the_package():
    assert build_config({}).network.weights == "blind"
    assert build_config({}).run.patience == 2  # what is not better after two epochs will not be
    assert build_config({"channels": 1}).network.weights == "blind_gray"
    other = build_config({"network": "unet"})
    assert (other.network.weights, other.optimizer.learning_rate) == ("", 1.5e-3)
    assert build_config({"weights": ""}).optimizer.learning_rate == 1.5e-3
    assert build_config({"data": ["x"], "noise": "none"}).network.weights == ""
    with pytest.raises(UsageError, match="`init` authors with `weights` blind: has no effect"):
        build_config({"init": "authors", "weights": "blind"})


@pytest.mark.parametrize("name", list(NETWORKS))
def test_networks_are_told_by_their_layers(name):
    assert name_of(NETWORKS[name](1, features=16)) == (name, 16)


@pytest.mark.parametrize(("name", "channels", "least"), [("blind", 3, 31.2), ("blind_gray", 1, 28.9)])
def test_what_comes_with_the_package_denoises_a_photograph(name, channels, least):
    """20.2 dB noisy."""
    from n2n_tf.data.samples import HELD_OUT, sample_paths

    clean = np.asarray(Image.open(sample_paths(HELD_OUT, channels)[0]).convert("RGB" if channels == 3 else "L"))
    clean = clean[:256, :256].astype(np.float32).reshape(256, 256, channels) / 255
    noisy = clean + np.random.default_rng(0).normal(0, 25 / 255, clean.shape).astype(np.float32)
    network = n2n_tf.load_denoiser(name)
    assert layers_of(network) == layers_of(NETWORKS["residual_unet"](channels))
    assert -10 * np.log10(np.mean((n2n_tf.denoise(network, noisy) - clean) ** 2)) > least
    assert SHIPPED[name].stat().st_size < 6e6


@pytest.fixture
def images(tmp_path):
    for name, shape in (("colour.png", (40, 50, 3)), ("gray.png", (40, 50))):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, shape, np.uint8)).save(tmp_path / name)
    tifffile.imwrite(tmp_path / "twelve.tif", np.random.default_rng(1).integers(90, 4000, (40, 50)).astype(np.uint16))
    return tmp_path


def test_images_without_a_model(images, capsys):
    """Colours through the one, gray through the other; the first argument is an image, not a model."""
    out = images / "out"
    names = ["colour.png", "gray.png", "twelve.tif"]
    assert main(["denoise", *(str(images / name) for name in names), "--output", str(out)]) == 0
    said = capsys.readouterr().out
    assert "no MODEL: blind, which comes" in said
    assert "no MODEL: blind_gray, which comes" in said
    for name, model, told in zip(names, ("blind", "blind_gray", "blind_gray"), (None, None, "auto"), strict=True):
        before, after = (np.atleast_3d(tifffile.imread(f) if f.suffix == ".tif" else np.asarray(Image.open(f)))
                         for f in (images / name, out / name))  # fmt: skip
        np.testing.assert_array_equal(after, n2n_tf.denoise(load_denoiser(model), before, value_range=told))


def test_one_that_cannot_be_read_leaves_the_others(images, capsys):
    (images / "broken.png").write_bytes(b"no image")
    files = [str(images / name) for name in ("broken.png", "gray.png")]
    assert main(["denoise", *files, "--output", str(images / "out"), "--adapt", "1"]) == 1
    said = capsys.readouterr()
    assert "1 of 2 files failed" in said.err
    assert (images / "out" / "gray.png").exists()
    assert "is not adapted: none of 2 images has 1 channels and sides from 128" in said.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no", "gray.png"], "no: no such model"),
        (["blind"], "no INPUT: blind is taken for the MODEL"),
        (["photo.png"], "photo.png: no such file or folder"),
        (["mine.weights.h5", "gray.png"], "mine.weights.h5: no such model"),
        (["runs", "gray.png"], "runs: no such model"),
        (["gray.png", "--adapt", "-3"], "--adapt -3.0: wanted above 0"),
    ],
)
def test_what_is_no_model_is_not_taken_for_images(images, arguments, said, capsys, monkeypatch):
    monkeypatch.chdir(images)
    (images / "runs" / "a").mkdir(parents=True)
    (images / "runs" / "a" / "config.json").write_text("{}")
    assert main(["denoise", *arguments, "--output", "out"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["blind", "--output", "out", "colour.png"],
        ["--ensemble", "blind", "colour.png", "--output", "out"],
        ["colour.png", "--suffix", "", "--output", "out", "--adapt"],
        ["--adapt", "colour.png", "--output", "out"],
        ["--adapt", "blind", "colour.png", "--output", "out"],
    ],
)
def test_flags_may_stand_anywhere(images, arguments, monkeypatch):
    monkeypatch.chdir(images)
    assert main(["denoise", *arguments]) == 0
    assert (images / "out" / "colour.png").exists()


def test_a_name_of_the_package_is_no_path(images, monkeypatch):
    monkeypatch.chdir(images)
    (images / "blind").mkdir()
    (images / "colour.png").rename(images / "blind" / "colour.png")
    assert load_denoiser("blind").name == "residual_unet"
    with pytest.raises(UsageError, match="no such model"):
        load_denoiser("./blind")
    assert main(["denoise", "./blind", "--output", "out"]) == 0
    assert (images / "out" / "colour.png").exists()
