"""A run on noisy images alone: it looks at their noise first, and is steered by the error that it can estimate."""

import itertools
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy.ndimage import uniform_filter

import n2n_tf
from n2n_tf.cli.main import main
from n2n_tf.config import RunError, StoppedError, UsageError
from n2n_tf.data.pipeline import Recipe
from n2n_tf.inspection.measured import Measured
from n2n_tf.meter import PoissonGaussian
from n2n_tf.methods import neighbor_settings
from n2n_tf.training import begin, trials
from n2n_tf.training.build import build_method
from n2n_tf.training.divergence import DivergedError
from n2n_tf.training.run import Run
from n2n_tf.training.scorer import COST, ESTIMATED, Scorer
from n2n_tf.training.validation import Validation
from tests.runs import assert_same_state, flags, rows, small
from tests.scenes import blurred, gaussian, scene

pytestmark = pytest.mark.usefixtures("two_layers")
SIGMA = 20


def save(folder, noise, count=4):
    """Scenes with noise; returns the clean ones by name."""
    folder.mkdir()
    clean = {f"{number}.png": np.roll(scene(), 40 * number, 1) for number in range(count)}
    for number, (name, image) in enumerate(clean.items()):
        pixels = np.round(noise(0.1 + 0.7 * image, SIGMA, number) * 255).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
    return {name: 0.1 + 0.7 * image for name, image in clean.items()}


@pytest.fixture(scope="module")
def white(tmp_path_factory):
    folder = tmp_path_factory.mktemp("white") / "noisy"
    return folder, save(folder, gaussian)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared") / "noisy"
    save(folder, lambda image, sigma, seed: blurred(image, sigma, seed))
    return folder


def true_psnr(folder, clean, names, denoise):
    pairs = [(np.asarray(Image.open(folder / name), np.float32) / 255, clean[name]) for name in names]
    return np.mean([-10 * np.log10(np.mean(np.square(denoise(noisy) - wanted))) for noisy, wanted in pairs])


def test_a_run_tells_its_noise_and_its_gain(white, tmp_path, caplog, capsys):
    folder, clean = white
    command = flags(folder, noise="none", learning_rate=1e-2, steps_per_epoch=20)
    with caplog.at_level(logging.INFO):
        assert main(["train", *command, "--output", str(tmp_path / "run")]) == 0
    assert "denoised" in (out := capsys.readouterr().out)
    assert "estimated without clean images" in out
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    found = report["inspection"]["parts"]["all"]["noise"]
    assert found["sigma_of_255"] == pytest.approx(SIGMA, rel=0.02)
    assert report["inspection"] == json.loads((tmp_path / "run" / "inspection.json").read_text())
    held_out = _held_out(tmp_path / "run")
    denoise = n2n_tf.Denoiser(n2n_tf.load_denoiser(tmp_path / "run"))
    for name, estimated in ((ESTIMATED, denoise), ("estimated_noisy_psnr", lambda noisy: noisy)):
        truth = true_psnr(folder, clean, held_out, estimated)
        assert report["scores"][name] == pytest.approx(truth, abs=0.15)
    assert {"val_estimated_psnr", "val_reconstruction"} <= rows(tmp_path / "run")[0].keys()
    events = [event for file in (tmp_path / "run" / "tensorboard" / "pictures").iterdir()
              for event in tf.compat.v1.train.summary_iterator(str(file))]  # fmt: skip
    texts = [value.tensor.string_val for event in events for value in event.summary.value if value.tag == "inspection"]
    assert b"Gaussian" in texts[0][0]


def _held_out(directory):
    listed = json.loads((directory / "images.json").read_text())["held_out"]
    return [Path(name).name for name in _strings(listed) if str(name).endswith(".png")]


def _strings(value):
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return list(itertools.chain.from_iterable(map(_strings, children)))


class Images:
    """Held-out images that come alone."""

    paired, value_range = False, None

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def pair(self, index):
        return self.images[index], None


def test_the_cost_is_the_true_error_whatever_the_denoiser(white):
    """The reconstruction has another order: that of a denoiser which sees sub-images."""
    clean = [0.1 + 0.7 * scene(), 0.1 + 0.7 * np.flip(scene(), 1)]
    noisy = [gaussian(image, SIGMA, number) for number, image in enumerate(clean)]
    config = small("photos", noise="none")
    noise = Measured([PoissonGaussian(0, 0, (SIGMA / 255) ** 2, 0, SIGMA / 255, 0, 0.5, 1, 1)])
    scorer = Scorer(build_method(config, 1), Images(noisy), Recipe(config.crops, None, 0), noise=noise)
    assert scorer.monitored == ESTIMATED
    denoisers = {side: lambda image, side=side: uniform_filter(image, (side, side, 1)) for side in (1, 3, 5, 15)}
    costs, errors = [], []
    for denoise in denoisers.values():
        scorer.denoise = denoise
        costs.append(scorer.cost(scorer.scores()))
        errors.append(
            np.mean([np.mean(np.square(denoise(one) - wanted)) for one, wanted in zip(noisy, clean, strict=True)])
        )
    np.testing.assert_allclose(costs, errors, rtol=0.03)
    assert np.argmin(costs) == np.argmin(errors)


def warnings(caplog):
    """Those of the inspection; TensorFlow 2.15 has others."""
    return [each.getMessage() for each in caplog.records
            if each.levelno == logging.WARNING and each.name.endswith(".inspecting")]  # fmt: skip


def test_shared_noise_is_warned_of_and_not_scored(shared, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        report = n2n_tf.train(small(shared, noise="none", epochs=1, correlated="off"), tmp_path / "plain")
    (warning,) = warnings(caplog)
    assert "--correlated auto, the default: pixels 2 apart are compared" in warning
    assert "n2n-tf train" in warning
    assert "told by `reconstruction`" in caplog.text
    assert set(report["scores"]) == {"reconstruction"}
    assert "val_estimated_psnr" not in rows(tmp_path / "plain")[0]

    caplog.clear()
    with caplog.at_level(logging.INFO):
        n2n_tf.train(small(shared, noise="none", epochs=1, distance=2, patch_size=128), tmp_path / "apart")
    assert not warnings(caplog)
    assert "2 apart, which are compared, do not" in caplog.text


def test_a_run_of_an_earlier_version_goes_on_by_reconstruction(white, tmp_path, monkeypatch):
    monkeypatch.setattr(begin, "inspected", lambda *_: (None, {}))
    config = small(white[0], noise="none")
    first = n2n_tf.train(config, tmp_path / "run")
    assert set(first["scores"]) == {"reconstruction"}
    assert n2n_tf.resume(tmp_path / "run")["scores"] == first["scores"]


def scripted(monkeypatch, costs):
    """Validations that find these costs, one after the other."""
    monkeypatch.setattr(Scorer, "cost", lambda self, scores: costs[int(self.epoch)])

    def on_epoch_end(self, epoch, logs=None, run=Validation.on_epoch_end):
        self.scorer.epoch = epoch
        run(self, epoch, logs)

    monkeypatch.setattr(Validation, "on_epoch_end", on_epoch_end)


def test_patience_ends_a_run_that_gets_no_better(photos, tmp_path, monkeypatch, caplog):
    scripted(monkeypatch, [3, 2, 2.5, 1, 1, 1, 0.5, 0.1])
    config = small(photos, epochs=8, patience=2, steps_per_epoch=2)
    with caplog.at_level(logging.INFO):
        n2n_tf.train(config, tmp_path / "run")
    assert len(rows(tmp_path / "run")) == 6
    assert "ended after epoch 6: none of the last 2 was better" in caplog.text
    before = (tmp_path / "run" / "history.csv").read_text()
    n2n_tf.resume(tmp_path / "run")
    assert (tmp_path / "run" / "history.csv").read_text() == before


def test_patience_counts_on_after_a_stop(photos, tmp_path, monkeypatch):
    scripted(monkeypatch, [3, 4, 4, 4, 4])
    config = small(photos, epochs=5, patience=3, steps_per_epoch=2)
    n2n_tf.train(config, tmp_path / "whole")
    assert len(rows(tmp_path / "whole")) == 4

    with monkeypatch.context() as patch:
        patch.setattr("n2n_tf.training.progress.ProgressBar.on_epoch_end", stop_after(2))
        with pytest.raises(StoppedError):
            n2n_tf.train(config, tmp_path / "stopped")
    n2n_tf.resume(tmp_path / "stopped")
    assert len(rows(tmp_path / "stopped")) == 4
    assert_same_state(tmp_path / "whole", tmp_path / "stopped")


@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_a_lost_picture_is_said_once(clip, photos, tmp_path, monkeypatch, caplog):
    """With nothing that is not finite: hours of steps for nothing, and only the scores told."""
    scripted(monkeypatch, [-20, -24, -14.5, -13.5, -5])
    n2n_tf.train(small(photos, epochs=5, steps_per_epoch=2, clip_gradients=clip), tmp_path / "run")
    (said,) = (each.getMessage() for each in caplog.records if "lost the picture" in each.getMessage())
    assert said.startswith("epoch 4: the denoiser has lost the picture (val_psnr ")
    assert ("or with `clip_gradients` 1" in said) == (not clip)  # no advice to do what was done


@pytest.mark.parametrize(("found", "lost"), [(9.0, False), (11.0, True), (float("nan"), False)])
def test_an_estimate_is_lost_beyond_its_uncertainty(found, lost):
    """An estimate of an error near 0 may be 0, or below."""
    config = small("photos", noise="none")
    noise = Measured([PoissonGaussian(0, 0, (SIGMA / 255) ** 2, 0, SIGMA / 255, 0, 0.5, 1, 1)])
    scorer = Scorer(build_method(config, 1), Images([scene()]), Recipe(config.crops, None, 0), noise=noise)
    for best, uncertain in ((1.0, 0.1), (0.1, 1.0), (-1.0, 1.0)):
        assert scorer.lost({COST: found, f"{COST}_error": uncertain}, best) == lost
    assert not scorer.lost({COST: found, f"{COST}_error": float("nan")}, -1.0)


def stop_after(epochs):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == epochs:
            raise StoppedError("as SIGTERM does")

    return on_epoch_end


@pytest.fixture
def short_trials(monkeypatch):
    monkeypatch.setattr(trials, "FEWEST", 10)
    monkeypatch.setattr(neighbor_settings, "GAMMAS", (0.0, 4.0))


def test_gamma_auto_takes_the_best_trial(white, tmp_path, short_trials, caplog):
    config = small(white[0], noise="none", gamma="auto", epochs=1)
    report = n2n_tf.train(config, tmp_path / "run")
    told = report["trials"]
    assert [each["gamma"] for each in told["trials"]] == [0, 4]
    best = min(told["trials"], key=lambda each: each[COST])
    assert told["chosen"] == {"gamma": best["gamma"]}
    assert float(rows(tmp_path / "run")[0]["gamma"]) == best["gamma"]
    assert not (tmp_path / "run" / "trials").exists()
    assert n2n_tf.resume(tmp_path / "run", {"gamma": "auto"})["trials"] == told
    assert n2n_tf.train(config, tmp_path / "run", go_on=True)["trials"] == told
    with pytest.raises(UsageError, match="gamma"):
        n2n_tf.resume(tmp_path / "run", {"gamma": best["gamma"]})
    (tmp_path / "run" / "trials.json").unlink()
    with pytest.raises(RunError, match=r"trials\.json"):
        n2n_tf.resume(tmp_path / "run")


def test_interrupted_trials_go_on(photos, tmp_path, short_trials, monkeypatch):
    config = small(photos, gamma="auto", epochs=1)
    n2n_tf.train(config, tmp_path / "whole")
    done, go = [], Run.go

    def counted(run):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(run.config.method.gamma)
        return go(run)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "go", counted)
        with pytest.raises(KeyboardInterrupt):
            n2n_tf.train(config, tmp_path / "stopped")
    with monkeypatch.context() as patch:
        patch.setattr(Run, "go", lambda run: (done.append(run.config.method.gamma), go(run))[1])
        n2n_tf.train(config, tmp_path / "stopped")
    assert done[:2] == [0, 4]  # the first is not trained again
    assert_same_state(tmp_path / "whole", tmp_path / "stopped")


def test_gamma_auto_where_nothing_can_judge_it(shared, tmp_path, caplog):
    report = n2n_tf.train(small(shared, noise="none", correlated="off", gamma="auto", epochs=1), tmp_path / "run")
    assert report["trials"] == {"chosen": {"gamma": 2.0}, "trials": []}
    assert "gamma 2, as nothing can judge: neighbouring pixels share noise" in caplog.text


def test_a_trial_that_diverges_is_not_chosen_and_ends_nothing(photos, tmp_path, short_trials, monkeypatch, caplog):
    go = Run.go

    def diverging(run):
        if run.config.method.gamma == 0 and "trials" in str(run.directory.path):
            raise DivergedError("training diverged at step 3")
        return go(run)

    monkeypatch.setattr(Run, "go", diverging)
    report = n2n_tf.train(small(photos, gamma="auto", epochs=1), tmp_path / "run")
    assert report["trials"]["chosen"] == {"gamma": 4.0}
    assert report["trials"]["trials"][0] == {"gamma": 0.0}
    assert "gamma 0: training diverged" in caplog.text


@pytest.mark.parametrize("value", ["hello", "-3", "nan"])
def test_gamma_is_a_number_or_auto(value, capsys):
    assert main(["train", "--gamma", value]) == 2
    assert "wanted at least 0 and at most 1000000.0, or auto" in capsys.readouterr().err


def test_black_images_are_told_by_reconstruction(tmp_path, short_trials, caplog):
    """As a microscope's background, cut off at 0: little noise is left to judge by."""
    folder = tmp_path / "noisy"
    folder.mkdir()
    for number in range(3):
        clean = np.where(np.arange(384) < 30, 0.5, -0.1)[None, :, None] + np.zeros((320, 384, 3))
        pixels = gaussian(clean, SIGMA, number).clip(0, 1)
        Image.fromarray(np.uint8(np.round(pixels * 255))).save(folder / f"{number}.png")
    report = n2n_tf.train(small(folder, noise="none", epochs=1, gamma="auto"), tmp_path / "run")
    assert set(report["scores"]) == {"reconstruction"}
    assert "told by `reconstruction`" in caplog.text
    assert report["trials"]["chosen"] == {"gamma": 2.0}
    assert "as nothing can judge" in caplog.text
