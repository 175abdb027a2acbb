"""A run on images whose neighbours share noise: it finds out, and has two stages."""

import json
import logging

import keras
import numpy as np
import pytest
import tifffile
from PIL import Image

import n2n_tf
from n2n_tf.config import UsageError
from n2n_tf.training import stages
from n2n_tf.training.run import Run
from n2n_tf.training.rundir import RunDirectory
from tests.runs import assert_same_state, rows, small, trained
from tests.scenes import RHO, blurred, gaussian, scene

pytestmark = pytest.mark.usefixtures("two_layers")


def save(folder, noise, count=4, channels=3):
    folder.mkdir(parents=True)
    for number in range(count):
        image = noise(0.1 + 0.7 * np.roll(scene(channels), 40 * number, 1), 20, number)
        pixels = np.round(image * 255).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return save(tmp_path_factory.mktemp("shared") / "noisy", blurred)


@pytest.fixture(scope="module")
def run(shared, tmp_path_factory):
    """A finished run."""
    out = tmp_path_factory.mktemp("run") / "run"
    with pytest.MonkeyPatch.context() as patch:
        from n2n_tf import networks
        from tests.runs import two_layers

        patch.setitem(networks.NETWORKS, "two_layers", two_layers)
        return out, n2n_tf.train(noisy(shared), out)


def noisy(folder, **settings):
    return small(folder, **{"noise": "none", "patch_size": 128, **settings})


def test_a_run_finds_out_and_does_it(shared, run, caplog):
    out, report = run
    assert json.loads((out / "config.json").read_text())["chosen"] == {"correlated": [2, 2], "patch_size": 128}
    assert json.loads((out / "teacher" / "config.json").read_text())["config"]["distance"] == [2, 2]
    assert json.loads((out / "config.json").read_text())["config"]["correlated"] == ["auto"]
    assert len(rows(out / "teacher")) + len(rows(out)) == 2  # epochs, shared
    assert "reconstruction" in report["scores"]
    names = [layer.name for layer in keras.models.load_model(out / "denoiser.keras").layers]
    assert {"first", "last"} <= set(names)
    with caplog.at_level(logging.INFO):
        assert n2n_tf.resume(out)["scores"] == report["scores"]


def test_noise_is_known_to_the_second_stage(run):
    out, _ = run
    noise = RunDirectory(out).noise(3)
    rho = np.array(noise.get_config()["rho"])
    np.testing.assert_allclose(rho[:, 0, 9], RHO[1], atol=0.05)
    assert np.sqrt(np.mean(noise.get_config()["levels"])) * 255 == pytest.approx(20, rel=0.1)


@pytest.mark.parametrize("stage", [0, 1])
def test_an_interrupted_run_goes_on(stage, shared, run, tmp_path):
    count, end = [], Run._report

    def stopped(self, seconds):
        count.append(seconds)
        if len(count) == stage + 1:
            raise KeyboardInterrupt
        return end(self, seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "_report", stopped)
        with pytest.raises(KeyboardInterrupt):
            n2n_tf.train(noisy(shared), tmp_path / "run")
    n2n_tf.resume(tmp_path / "run")
    assert_same_state(run[0], tmp_path / "run")
    assert_same_state(run[0] / "teacher", tmp_path / "run" / "teacher")


def test_white_noise_costs_nothing(tmp_path):
    folder = save(tmp_path / "white", gaussian)
    for way in ("auto", "off"):
        n2n_tf.train(noisy(folder, correlated=way, epochs=1), tmp_path / way)
        assert not (tmp_path / way / "teacher").exists()
    for one, other in zip(trained(tmp_path / "auto"), trained(tmp_path / "off"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_of_a_mixed_set_the_shared_noise_counts(tmp_path, caplog):
    folder = save(
        tmp_path / "mixed", lambda image, sigma, seed: (gaussian if seed % 2 else blurred)(image, sigma, seed)
    )
    with caplog.at_level(logging.INFO):
        n2n_tf.train(noisy(folder, epochs=1), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["chosen"]["correlated"] == [2, 2]
    assert "those 2 apart, which are compared, do not" in caplog.text


def test_gray_and_along_one_axis(tmp_path):
    folder = save(tmp_path / "gray", lambda image, sigma, seed: blurred(image, sigma, seed, (1,)), channels=1)
    n2n_tf.train(noisy(folder, channels=1, epochs=1, patch_size=64), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["chosen"] == {
        "correlated": [1, 2], "patch_size": 128,
    }  # fmt: skip


def test_too_small_for_the_distance_is_said(tmp_path, caplog):
    folder = tmp_path / "small"
    save(folder, blurred)
    for path in folder.iterdir():
        Image.open(path).crop((0, 100, 112, 212)).save(path)
    with caplog.at_level(logging.INFO):
        n2n_tf.train(noisy(folder, epochs=1, patch_size=64), tmp_path / "run")
    assert "wants images of 128×128 pixels" in caplog.text
    assert not (tmp_path / "run" / "teacher").exists()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"correlated": 2, "noise": "gaussian"}, "`correlated` with `noise` gaussian: is for images that are noisy"),
        ({"correlated": 2, "distance": 2}, "`correlated` 2 with `distance`: say one of them"),
        ({"correlated": 2, "sampler": "fixed"}, "`sampler` fixed with `correlated` 2 2"),
        ({"correlated": [1, 2, 3]}, "`correlated` 1 2 3: wanted auto, off, or one or two whole numbers"),
        ({"correlated": 2.5}, "`correlated` 2.5: wanted auto"),
        ({"correlated": "on"}, "`correlated` on: wanted auto"),
        ({"correlated": 3}, "`patch_size` 128: wanted a multiple of 192"),
        ({"distance": [1, 2, 3]}, "`distance` 1 2 3: wanted one number, or two"),
        ({"method": "renoised"}, "`method` renoised: learns from another denoiser"),
        ({"method": "renoised", "teacher": "x", "noise": "poisson"}, "`method` renoised with `noise` poisson"),
    ],
)
def test_refused(settings, text):
    with pytest.raises(UsageError, match=text):
        noisy("photos", **settings)


def test_renoised_as_a_method_of_its_own(shared, run, tmp_path, caplog):
    out, _ = run
    with caplog.at_level(logging.INFO):
        n2n_tf.train(noisy(shared, method="renoised", teacher=str(out / "teacher"), epochs=1), tmp_path / "more")
    assert "does not fit" not in caplog.text  # it assumes nothing of neighbours
    assert "the noise is not known" not in caplog.text
    assert "loss" in rows(tmp_path / "more")[0]
    with pytest.raises(UsageError, match=r"`teacher` .*: of another network; wanted `network` two_layers with"):
        n2n_tf.train(noisy(shared, method="renoised", teacher=str(out), features=3, epochs=1), tmp_path / "other")


def test_steps_are_shared():
    run = noisy("photos", epochs=10).run
    assert [each.epochs for each in stages.shared(run, 100)] == [8, 2]
    assert [each.epochs for each in stages.shared(noisy("photos", epochs=2).run, 100)] == [1, 1]
    one = stages.shared(noisy("photos", epochs=1, steps_per_epoch=0).run, 100)
    assert [(each.epochs, each.steps_per_epoch) for each in one] == [(1, 75), (1, 25)]
    assert [each.steps_per_epoch for each in stages.shared(noisy("photos", epochs=1).run, 1)] == [1, 1]


def test_the_first_stage_has_its_own_gamma(shared, tmp_path):
    """So no trials choose one that it would not take."""
    n2n_tf.train(noisy(shared, gamma="auto", epochs=1), tmp_path / "run")
    assert not (tmp_path / "run" / "trials.json").exists()
    assert float(rows(tmp_path / "run" / "teacher")[0]["gamma"]) == 0
    n2n_tf.resume(tmp_path / "run", {"gamma": "auto"})


def test_noise_that_is_not_known_is_said(tmp_path, caplog):
    """One small image: too few flat blocks; the distance can be told all the same."""
    folder = save(tmp_path / "small", blurred, count=1)
    Image.open(folder / "0.png").crop((0, 100, 128, 228)).save(folder / "0.png")
    with caplog.at_level(logging.WARNING):
        n2n_tf.train(noisy(folder, correlated=2, epochs=1), tmp_path / "run")
    assert RunDirectory(tmp_path / "run").noise(3) is None
    assert "the noise is not known: the teacher's results are learned from the noisy images" in caplog.text


def test_counts_of_odd_sides_in_one_channel(tmp_path):
    """Of 12 bits in uint16, 301×331 pixels."""
    for number in range(2):
        image = blurred(0.1 + 0.7 * scene(1, (301, 331)), 20, number)
        tifffile.imwrite(tmp_path / f"{number}.tif", np.clip(image[..., 0] * 4095, 0, 65535).astype(np.uint16))
    report = n2n_tf.train(noisy(tmp_path, channels=1, epochs=1), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["chosen"]["correlated"] == [2, 2]
    levels = np.array(RunDirectory(tmp_path / "run").noise(1).get_config()["levels"])
    low, high = report["value_range"]
    assert np.sqrt(levels.mean()) * (high - low) == pytest.approx(20 / 255 * 4095, rel=0.1)
    denoised = n2n_tf.denoise(n2n_tf.load_denoiser(tmp_path / "run"), tifffile.imread(tmp_path / "0.tif"))
    assert (denoised.shape, denoised.dtype) == ((301, 331), np.uint16)
