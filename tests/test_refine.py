"""The last quarter of a run on whole images, recorrupted by noise that was measured or is known."""

import json
import logging

import numpy as np
import pytest
import tensorflow as tf
import tifffile

import n2n_tf
from n2n_tf.cli.main import main
from n2n_tf.config import RunError, UnfitNoiseError, UsageError
from n2n_tf.methods import Recorrupted2Recorrupted, Renoised
from n2n_tf.methods.base_settings import Setup
from n2n_tf.methods.neighbor_settings import RefinedSettings
from n2n_tf.noise.measured import MeasuredNoise
from n2n_tf.noise.settings import GaussianSettings, NoNoise
from n2n_tf.training import costs
from n2n_tf.training.build import build_model
from n2n_tf.training.run import Run
from n2n_tf.training.rundir import RunDirectory
from n2n_tf.weights import load_denoiser
from tests.runs import assert_same_state, flags, rows, small
from tests.scenes import blurred, gaussian, mixed, scene
from tests.test_methods import logs_of, scale_network

two_layers = pytest.mark.usefixtures("two_layers")


def save(folder, draw, channels=3):
    folder.mkdir()
    kind = "rgb" if channels == 3 else "minisblack"
    for number in range(4):
        image = draw(0.1 + 0.7 * np.roll(scene(channels), 40 * number, 1), number)
        tifffile.imwrite(folder / f"{number}.tif", image, photometric=kind)
    return folder


@pytest.fixture(scope="module")
def white(tmp_path_factory):
    """Gaussian, σ 20."""
    return save(tmp_path_factory.mktemp("white") / "images", lambda clean, seed: gaussian(clean, 20, seed))


def noisy(folder, **settings):
    return small(folder, **{"noise": "none", "range": [0.0, 1.0], "refine": True, **settings})


@pytest.fixture(scope="module")
def whole(two_layers, white, tmp_path_factory):
    """A run of both stages."""
    run = tmp_path_factory.mktemp("whole") / "run"
    n2n_tf.train(noisy(white), run)
    return run


def test_a_run_is_refined_and_never_worse_than_its_first_stage(white, whole, tmp_path, caplog):
    report, first = (json.loads((run / "report.json").read_text()) for run in (whole, whole / "teacher"))
    assert len(rows(whole / "teacher")) == len(rows(whole)) == 1  # epochs, shared
    assert "start" not in report  # no weights were named
    assert report["first_stage"]["estimated_psnr"] == pytest.approx(first["scores"]["estimated_psnr"])
    assert report["scores"]["estimated_psnr"] >= report["first_stage"]["estimated_psnr"]
    assert report["seconds"] > first["seconds"]
    with caplog.at_level(logging.INFO):
        ruined = n2n_tf.train(noisy(white, learning_rate=3.0, warmup_steps=0, epochs=4), tmp_path / "ruined")
    assert "second stage: refined on whole images, as Recorrupted2Recorrupted" in caplog.text
    assert ruined["scores"]["estimated_psnr"] >= ruined["first_stage"]["estimated_psnr"]


@two_layers
def test_what_it_started_from_is_told(white, tmp_path, capsys):
    """The weights that were named, not those of the first stage; nothing is better at this rate."""
    n2n_tf.train(noisy(white, refine=False), tmp_path / "one")
    one = json.loads((tmp_path / "one" / "report.json").read_text())
    settings = {"noise": "none", "weights": tmp_path / "one", "learning_rate": 3.0, "warmup_steps": 0}
    more = ["--output", str(tmp_path / "two"), "--range", "0", "1", "--refine"]
    assert main(["train", *flags(white, **settings), *more]) == 0
    two = json.loads((tmp_path / "two" / "report.json").read_text())
    assert two["start"]["estimated_psnr"] == pytest.approx(one["scores"]["estimated_psnr"])
    assert two["kept_start"]
    assert two["kept_first_stage"]
    told = capsys.readouterr().out
    assert "no epoch was better than the weights that it started from, which are kept" in told
    assert "the second stage was not better than the first, which is kept" in told


def test_the_noise_is_that_of_the_images(whole, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    noise = RunDirectory(whole).noise(3, independent=True)
    assert noise.flat
    assert float(noise.sigma[0, 0]) * 255 == pytest.approx(20, rel=0.03)
    shot = save(tmp_path / "shot", lambda clean, seed: mixed(clean, 0.01, 5, seed), channels=1)
    n2n_tf.train(noisy(shot, channels=1), tmp_path / "gray")
    assert "as Renoised" in caplog.text
    noise = RunDirectory(tmp_path / "gray").noise(1, independent=True)
    assert not noise.flat
    brightness = (np.arange(256) + 0.5) / 256
    np.testing.assert_allclose(noise.sigma[:, 0] ** 2, 0.01 * brightness + (5 / 255) ** 2, rtol=0.05, atol=1e-4)


@two_layers
def test_known_noise_needs_no_measuring(photos, tmp_path):
    """Of any initial weights: those of the second stage are the first one's."""
    n2n_tf.train(small(photos, refine=True, sigma=[15.0], init="authors"), tmp_path / "run")
    assert not (tmp_path / "run" / "inspection.json").exists()
    assert (tmp_path / "run" / "teacher" / "report.json").exists()


@two_layers
def test_recorrupted_pairs_by_the_noise_that_was_measured(white, tmp_path):
    told = {"refine": False, "method": "recorrupted2recorrupted"}
    report = n2n_tf.train(noisy(white, **told), tmp_path / "run")
    model = build_model(RunDirectory(tmp_path / "run").settings(), 1, tf.distribute.get_strategy(),
                        RunDirectory(tmp_path / "run").noise(3, independent=True))  # fmt: skip
    assert float(model.noise.sigma[0, 0]) * 255 == pytest.approx(20, rel=0.03)
    assert n2n_tf.resume(tmp_path / "run")["scores"] == report["scores"]
    shot = save(tmp_path / "shot", lambda clean, seed: mixed(clean, 0.02, 0, seed))
    with pytest.raises(UnfitNoiseError, match=r"wants noise of one level; this one's may differ with the brightness"):
        n2n_tf.train(noisy(shot, **told), tmp_path / "shot_run")
    blind = {"method": "laine19", "network": "two_layers_blind", "noise_level": "measured", "refine": False}
    with pytest.raises(UnfitNoiseError, match=r"`noise_level` measured: wants noise of one level"):
        n2n_tf.train(noisy(shot, **blind), tmp_path / "shot_run")
    shared = save(tmp_path / "shared", lambda clean, seed: blurred(clean, 20, seed))
    with pytest.raises(UnfitNoiseError, match=r"without `known_sigma`: wants independent noise"):
        n2n_tf.train(noisy(shared, **told), tmp_path / "shared_run")
    assert not (tmp_path / "shared_run" / "config.json").exists()


@pytest.mark.parametrize("stage", [0, 1])
def test_an_interrupted_run_goes_on(stage, white, whole, tmp_path, monkeypatch):
    end, count = Run._report, []

    def stopped(self, seconds):
        count.append(seconds)
        if len(count) == stage + 1:
            raise KeyboardInterrupt
        return end(self, seconds)

    monkeypatch.setattr(Run, "_report", stopped)
    with pytest.raises(KeyboardInterrupt):
        n2n_tf.train(noisy(white), tmp_path / "run")
    monkeypatch.undo()
    n2n_tf.resume(tmp_path / "run")
    assert_same_state(whole, tmp_path / "run")
    for one, two in zip(*(load_denoiser(run).get_weights() for run in (whole, tmp_path / "run")), strict=True):
        np.testing.assert_array_equal(one, two)


@two_layers
def test_noise_that_cannot_be_told(photos, tmp_path):
    shared = save(tmp_path / "shared", lambda clean, seed: blurred(clean, 20, seed))
    with pytest.raises(RunError, match="`refine`: wants independent noise that can be measured; neighbouring pixels"):
        n2n_tf.train(noisy(shared, correlated=["off"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match="`refine` with `noise` gaussian: wants gaussian noise of one level"):
        small(photos, refine=True, sigma=[5.0, 50.0])
    with pytest.raises(UsageError, match="`refine` with `correlated` 2: that has a second stage; leave one out"):
        noisy(shared, correlated=[2.0])
    with pytest.raises(UsageError, match="`refine` with `noise` poisson"):
        small(photos, refine=True, noise="poisson")


@two_layers
def test_shared_noise_has_a_second_stage_of_its_own(tmp_path, caplog):
    shared = save(tmp_path / "shared", lambda clean, seed: blurred(clean, 20, seed))
    with caplog.at_level(logging.INFO):
        n2n_tf.train(noisy(shared, patch_size=128), tmp_path / "run")
    assert "`refine` has no effect: noise that neighbours share has a second stage of its own" in caplog.text
    assert "second stage: a plain network" in caplog.text


@two_layers
def test_noise_that_channels_share(tmp_path):
    """Their differences, which σ is read from, show too little of it."""

    def draw(clean, seed):
        alike, own = (gaussian(np.zeros_like(clean), 20, [seed, each]) for each in (0, 1))
        return (clean + np.sqrt(0.5) * (alike[..., :1] + own)).astype(np.float32)

    folder = save(tmp_path / "in", draw)
    with pytest.raises(RunError, match=r"`refine`: wants independent .*; channels share noise, ρ 0.[45]"):
        n2n_tf.train(noisy(folder), tmp_path / "run")
    report = n2n_tf.train(noisy(folder, refine=False), tmp_path / "run")  # Stein's estimate would not hold either
    assert "estimated_psnr" not in report["scores"]


@two_layers
def test_another_method_has_none(tmp_path, capsys):
    assert main(["train", "--method", "n2c", "--refine", "--output", str(tmp_path / "run")]) == 2
    assert "--refine has no effect with --method n2c" in capsys.readouterr().err


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize(
    ("noise", "levels", "wanted", "loss"),
    [  # of n√s and -n/√s, s = α/(1-α), the difference; of the noise, at the brightness of the teacher's result
        (GaussianSettings(sigma=(25.5,)), None, Recorrupted2Recorrupted, 0.01 / 0.15 / 0.85),
        (NoNoise(), [[0.01, 0.01]], Recorrupted2Recorrupted, 0.01 / 0.15 / 0.85),
        (NoNoise(), [[0.01, 0.02]], Renoised, 0.0143),
    ],
)
def test_the_noise_decides_how(noise, levels, wanted, loss, channels):
    measured = MeasuredNoise.white(np.repeat(levels, channels, 0)) if levels else None
    network, teacher = (scale_network(factor, channels) for factor in (1.0, 0.9))
    method = RefinedSettings("run").build(network, Setup(10, 2, 3, noise, measured, teacher))
    assert type(method) is wanted
    y = np.random.default_rng(0).random((2, 96, 64, channels)).astype(np.float32)
    assert logs_of(method, y)["loss"] == pytest.approx(loss, rel=0.05)


def test_recorrupted_by_measured_noise():
    """Of the two images the noise is independent, and the loss of f(y) = y is that of their difference."""
    clean = np.full((4, 256, 256, 2), 0.4, np.float32)
    measured = MeasuredNoise.white(np.array([[0.01], [0.04]]))
    y = measured(clean, [3, 4])
    method = Recorrupted2Recorrupted(scale_network(1.0, 2), measured, 0.3, seed=5)
    noise = measured.noise(clean, tf.random.stateless_normal(y.shape, [1, 2]))
    one, two = ((each - clean).numpy() for each in method.pair(y, noise))
    for channel, variance in enumerate((0.01, 0.04)):
        noise1, noise2 = one[..., channel].ravel(), two[..., channel].ravel()
        assert noise1.var() == pytest.approx(variance / 0.7, rel=0.02)
        assert noise2.var() == pytest.approx(variance / 0.3, rel=0.02)
        assert abs(np.corrcoef(noise1, noise2)[0, 1]) < 5 / np.sqrt(noise1.size)
    assert logs_of(method, y)["loss"] == pytest.approx(0.025 / 0.21, rel=0.02)
    assert method.score(lambda image: image, y[0].numpy(), [1, 2]) == pytest.approx(0.025 / 0.21, rel=0.02)
    again = Recorrupted2Recorrupted.from_config(method.get_config())
    assert again.sigma.get_config() == measured.get_config()
    with pytest.raises(ValueError, match="sigma depends on the brightness; wanted noise of one level"):
        Recorrupted2Recorrupted(scale_network(1.0, 2), MeasuredNoise.white(np.array([[0.01, 0.02]] * 2)))


@two_layers
def test_its_cost_is_that_of_both_stages(photos, monkeypatch):
    """Of a step on whole images the last quarter."""
    seconds = iter([1.0, 1.0, 2.0] * costs.ROUNDS)  # plain, first and second stage
    monkeypatch.setattr(costs, "_seconds", lambda step: next(seconds))
    runs = {name: small(photos, refine=name == "refined", sigma=[15.0], epochs=8) for name in ("plain", "refined")}
    assert costs.seconds_per_step(runs) == {"plain": 1.0, "refined": 1.25}


@two_layers
def test_its_cost_is_measured_before_its_noise(photos):
    assert 0 < costs.seconds_per_step({"refined": small(photos, refine=True, noise="none")})["refined"] < 60
