import csv
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import n2n_tf
from n2n_tf.cli.main import main
from n2n_tf.config import RunError, UsageError, build_config
from n2n_tf.files import write
from n2n_tf.training import run
from n2n_tf.training.average import AverageWeights
from n2n_tf.training.divergence import StopAtNaN
from n2n_tf.training.rundir import RunDirectory
from n2n_tf.training.workers import Workers
from tests.conftest import make_photos

SMALL = {"features": 4, "patch_size": 64, "batch_size": 2, "epochs": 2, "steps_per_epoch": 6, "checkpoint_steps": 4}


def small(photos, **settings):
    return build_config({"data": [str(photos)], "noise": "gaussian", **SMALL, **settings})


def flags(photos, **settings):
    config = {"data": photos, "noise": "gaussian", **SMALL, **settings}
    return [part for name, value in config.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def state(directory):
    """Every variable of the last checkpoint: weights, optimizer, averages, best score."""
    reader = tf.train.load_checkpoint(str(Path(directory) / "checkpoints"))
    names = reader.get_variable_to_shape_map()
    names = (name for name in names if name.endswith("VARIABLE_VALUE") and not name.startswith("save_counter"))
    return {name: reader.get_tensor(name) for name in names}


def assert_same_state(one, other):
    one, other = state(one), state(other)
    assert one.keys() == other.keys()
    assert len(one) > 150  # 50 weights, two Adam moments each, and what else is kept
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def rows(directory):
    with (Path(directory) / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_what_it_promises(photos, tmp_path):
    out = tmp_path / "run"
    report = n2n_tf.train(small(photos, ema=0.9), out)
    assert {path.name for path in out.iterdir()} == {
        "config.json", "images.json", "checkpoints", "denoiser.keras", "history.csv", "tensorboard", "samples",
        "report.json",
    }  # fmt: skip
    assert json.loads((out / "report.json").read_text()) == report
    assert report["scores"]["noisy_psnr"] == pytest.approx(20 * np.log10(255 / 25), abs=0.1)
    assert [int(row["epoch"]) for row in rows(out)] == [0, 1]
    assert {"loss", "reconstruction", "regularizer", "gamma", "psnr", "val_psnr"} <= set(rows(out)[0])
    assert max(float(row["val_psnr"]) for row in rows(out)) == pytest.approx(report["scores"]["psnr"])
    assert {path.name for path in (out / "samples").iterdir()} == {"epoch_001.png", "epoch_002.png", "before_after.png"}
    network = keras.models.load_model(out / "denoiser.keras")
    assert network.input_shape == (None, None, None, 3)
    tags = {
        (path.relative_to(out / "tensorboard").parts[0], value.tag)
        for path in (out / "tensorboard").rglob("*.v2")
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert {
        ("pictures", "noisy"), ("pictures", "denoised"), ("pictures", "clean"), ("train", "epoch_loss"),
        ("validation", "epoch_psnr"),
    } <= tags  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    n2n_tf.train(small(make_photos(folder / "photos")), folder / "run")
    return folder / "run"


@pytest.mark.parametrize(
    "settings",
    [
        {"noise": "none", "channels": 3},
        {"noise": "poisson", "noise_once": True},
        {
            "noise": "poisson",
            "lam": [5, 50],
            "optimizer": "adamw",
            "learning_rate_schedule": "cosine",
            "warmup_steps": 3,
        },
        {"sigma": [5, 50], "gamma_schedule": "constant", "mixed_precision": "bfloat16", "jit_compile": "off"},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)
def test_other_settings_run(photos, tmp_path, settings):
    report = n2n_tf.train(small(photos, **{**settings, "epochs": 1}), tmp_path / "run")
    assert all(np.isfinite(score) for score in report["scores"].values())
    clean_known = settings.get("noise") != "none"
    assert ("val_psnr" if clean_known else "val_reconstruction") in rows(tmp_path / "run")[0]
    assert ("psnr" in rows(tmp_path / "run")[0]) == clean_known


def test_training_on_noisy_images_alone_denoises(tmp_path):
    """300 small steps on flat images: far better than the noisy images, without one clean image in the loss."""
    from PIL import Image

    rng = np.random.default_rng(0)
    folder = tmp_path / "noisy"
    folder.mkdir()
    clean = np.full((4, 96, 96), 0.5) + np.linspace(-0.3, 0.3, 96)
    noisy = clean + rng.normal(0, 0.1, clean.shape)
    for number, image in enumerate(np.uint8(np.clip(noisy, 0, 1) * 255 + 0.5)):
        Image.fromarray(image).save(folder / f"{number}.png")
    config = build_config(
        {"data": [str(folder)], "noise": "none", "channels": 1, "features": 8, "patch_size": 64, "epochs": 3,
         "steps_per_epoch": 100, "learning_rate": 2e-3}
    )  # fmt: skip
    n2n_tf.train(config, tmp_path / "run")
    network = keras.models.load_model(tmp_path / "run" / "denoiser.keras")
    denoised = n2n_tf.denoise(network, noisy[..., None].astype(np.float32))[..., 0]
    before, after = (np.mean((image - clean) ** 2) for image in (noisy, denoised))
    assert after < before / 10, f"mean squared error {before:.5f} before, {after:.5f} after"


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9, "jit_compile": "on"}], ids=["plain", "ema and XLA"])
def test_killed_and_resumed_equals_uninterrupted(photos, tmp_path, settings):
    """kill -9 of a real process in the middle of an epoch; resumed; Ctrl-C; resumed to the end."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-m", "n2n_tf", "train", *flags(photos, **settings)]
    subprocess.run([*command, "--output", str(whole)], check=True, capture_output=True)

    command_killed = [*command, "--output", str(killed)]
    stop_at_checkpoint(killed, signal.SIGKILL, command_killed)
    assert not (killed / "report.json").exists()
    stopped = stop_at_checkpoint(killed, signal.SIGINT, [*command_killed, "--resume"])
    assert stopped.returncode == 130
    assert f"stopped; go on with: n2n-tf train --resume --output {killed}" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    last = max(saved_steps(killed))
    done = subprocess.run([*command_killed, "--resume"], check=True, capture_output=True, text=True)
    assert f"going on after step {last} of 12" in done.stderr
    assert last >= 6
    assert_same_state(whole, killed)
    for name, value in rows(whole)[-1].items():  # logs only: their sums may round differently
        assert float(rows(killed)[-1][name]) == pytest.approx(float(value), rel=1e-5)
    assert [row["epoch"] for row in rows(killed)] == ["0", "1"]


@pytest.mark.parametrize("step", [4, 6, 12], ids=["in an epoch", "at an epoch's end", "at the run's end"])
def test_sigterm_ends_the_step_saves_and_stops(photos, tmp_path, step, monkeypatch, capsys):
    """As clusters send it before they take a machine away."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    command = ["train", *flags(photos, checkpoint_steps=1000)]
    assert main([*command, "--output", str(whole)]) == 0
    before = signal.getsignal(signal.SIGTERM)

    def send(self, batch, logs=None):
        if self.model.optimizer.iterations.numpy() == step - 1:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(StopAtNaN, "on_train_batch_begin", send)
    assert main([*command, "--output", str(stopped)]) == 143
    assert f"stopped by SIGTERM after step {step}, which is saved; go on with" in capsys.readouterr().err
    assert max(saved_steps(stopped)) == step
    assert signal.getsignal(signal.SIGTERM) == before
    monkeypatch.undo()
    assert main([*command, "--output", str(stopped), "--resume"]) == 0
    assert_same_state(whole, stopped)
    assert [row["epoch"] for row in rows(stopped)] == ["0", "1"]


def test_killed_while_the_first_checkpoint_is_written(photos, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    config = small(photos, epochs=1)
    n2n_tf.train(config, whole)
    n2n_tf.train(config, killed)
    for path in (killed / "checkpoints").iterdir():
        if not path.name.startswith("step-0"):
            path.unlink()
    (killed / "checkpoints" / "step-0.index").write_bytes(b"")
    (killed / "history.csv").write_bytes(b"")
    n2n_tf.resume(killed)
    assert_same_state(whole, killed)


def saved_steps(directory):
    return {int(path.stem.removeprefix("step-")) for path in (directory / "checkpoints").glob("step-*.index")}


def stop_at_checkpoint(directory, number, command):
    """Run a command, send it a signal as soon as it has saved a new step, and return it when it has ended."""
    before = saved_steps(directory) | {0}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored in the background
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while saved_steps(directory) <= before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode in (-number, 130), stderr
    return subprocess.CompletedProcess(command, process.returncode, None, stderr)


def test_resume_after_the_end_changes_nothing_and_damaged_checkpoints_fall_back(photos, tmp_path, caplog):
    out = tmp_path / "run"
    n2n_tf.train(small(photos), out)
    before = state(out)
    weights = (out / "denoiser.keras").read_bytes()
    n2n_tf.resume(out)
    assert (out / "denoiser.keras").read_bytes() == weights

    newest = sorted((out / "checkpoints").glob("step-12.data*"))[0]
    newest.write_bytes(newest.read_bytes()[:1000])
    with caplog.at_level(logging.WARNING):
        n2n_tf.resume(out)
    assert "cannot be read" in caplog.text
    assert all(np.array_equal(before[name], value) for name, value in state(out).items() if "save_counter" not in name)

    for path in (out / "checkpoints").glob("step-*.data*"):
        path.write_bytes(b"")
    with pytest.raises(RunError, match=r"no checkpoint in .* can be read"):
        n2n_tf.resume(out)


def test_resume_refuses_other_settings_and_warns_of_another_environment(photos, tmp_path, caplog):
    out = tmp_path / "run"
    n2n_tf.train(small(photos, epochs=1), out)
    with pytest.raises(UsageError, match=r"--epochs: the run has 1; it keeps its settings"):
        n2n_tf.resume(out, {"epochs": 2})
    saved = json.loads((out / "config.json").read_text())
    saved["environment"]["threads"] = 99
    (out / "config.json").write_text(json.dumps(saved))
    with caplog.at_level(logging.WARNING):
        n2n_tf.resume(out, {"epochs": 1})
    assert "threads was 99" in caplog.text
    (out / "config.json").write_text("{")
    with pytest.raises(RunError, match="is damaged"):
        n2n_tf.resume(out)


def test_resume_auto_begins_or_goes_on_and_keeps_the_settings(photos, tmp_path, capsys):
    command = ["train", *flags(photos, epochs=1), "--preset", "quick", "--resume", "auto"]
    command += ["--output", str(tmp_path / "run")]
    assert main(command) == 0
    assert "run directory" in capsys.readouterr().err
    before = state(tmp_path / "run")
    assert main(command) == 0
    assert "going on after step 6 of 6" in capsys.readouterr().err
    for name, value in state(tmp_path / "run").items():
        np.testing.assert_array_equal(before[name], value)
    assert main([*command, "--gamma", "1"]) == 2
    assert "--gamma: the run has 0.5; it keeps its settings" in capsys.readouterr().err


def test_checkpoints_of_another_run_are_not_taken(photos, tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds checkpoints of another run; remove them, or name another"):
        n2n_tf.train(small(photos), tmp_path / "run")


def test_a_directory_with_a_run_is_not_touched(photos, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "config.json").write_text("mine")
    with pytest.raises(UsageError, match="holds a run already; continue it with --resume"):
        n2n_tf.train(small(photos), out)
    assert [path.name for path in out.iterdir()] == ["config.json"]


def test_divergence_stops_at_the_first_step_with_the_values(photos, tmp_path):
    with pytest.raises(RunError, match=r"diverged at step [23]: gamma 1, loss (nan|inf)"):
        n2n_tf.train(small(photos, learning_rate=1e12, optimizer="adam"), tmp_path / "run")


def test_what_is_not_finite_is_never_saved(photos, whole, tmp_path, monkeypatch):
    """A step can leave weights that are no numbers though its loss, from before the step, is one."""

    def spoil(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == 8:
            self.model.network.weights[0].assign(self.model.network.weights[0] * np.nan)

    monkeypatch.setattr(StopAtNaN, "on_train_batch_end", spoil)
    with pytest.raises(RunError, match="diverged at step 8: weights that are not finite, which are not saved"):
        n2n_tf.train(small(photos), tmp_path / "run")
    assert saved_steps(tmp_path / "run") == {0, 4, 6}
    monkeypatch.undo()
    n2n_tf.resume(tmp_path / "run")
    assert_same_state(whole, tmp_path / "run")


def test_a_disk_that_fills_up_and_is_cleared(photos, whole, tmp_path, monkeypatch):
    """A limit on the size of files stands in for the disk. What was saved before is kept, and a resumed run goes on."""
    resource = pytest.importorskip("resource", reason="the limit is the operating system's")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == 7:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))

    monkeypatch.setattr(StopAtNaN, "on_train_batch_begin", fill)
    try:
        with pytest.raises(RunError, match=r"step 8 cannot be saved in .*; File too large"):
            n2n_tf.train(small(photos), tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert saved_steps(tmp_path / "run") == {0, 4, 6}
    monkeypatch.undo()
    n2n_tf.resume(tmp_path / "run")
    assert_same_state(whole, tmp_path / "run")


def test_a_run_directory_that_vanishes(photos, tmp_path, monkeypatch):
    def remove(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == 7:
            shutil.rmtree(tmp_path / "run")

    monkeypatch.setattr(StopAtNaN, "on_train_batch_begin", remove)
    with pytest.raises(RunError, match=r"the run directory .*/run has gone"):
        n2n_tf.train(small(photos), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_images_that_break_in_the_middle_of_an_epoch_do_not_stop_it(photos, tmp_path, monkeypatch, caplog):
    def damage(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == 2:
            (photos / "03.png").write_bytes((photos / "03.png").read_bytes()[:300])
            (photos / "05.png").unlink()

    monkeypatch.setattr(StopAtNaN, "on_train_batch_begin", damage)
    with caplog.at_level(logging.WARNING):
        report = n2n_tf.train(small(photos, steps_per_epoch=20), tmp_path / "run")
    assert set(report["skipped"]) == {str(photos / "03.png"), str(photos / "05.png")}
    assert "2 files were skipped" in caplog.text
    assert np.isfinite(report["scores"]["psnr"])


def test_averages_equal_a_loop_and_leave_the_weights_alone():
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    average = AverageWeights(network, 0.9)
    expected = [w.copy() for w in network.get_weights()]
    for step in range(1, 200):
        current = [w + 1 for w in network.get_weights()]
        network.set_weights(current)
        average.on_train_batch_end(0)
        momentum = min(0.9, step / (step + 10))
        expected = [momentum * e + (1 - momentum) * w for e, w in zip(expected, current, strict=True)]
    for weight, value in zip(network.get_weights(), current, strict=True):
        np.testing.assert_array_equal(weight, value)
    average.copy_to(network)
    for weight, value in zip(network.get_weights(), expected, strict=True):
        np.testing.assert_allclose(weight, value, rtol=1e-5)


def test_images_are_held_out_when_none_are_given(photos, caplog):
    with caplog.at_level(logging.INFO):
        training, held_out = run.find_data(small(photos))
    assert (len(training), len(held_out)) == (11, 1)
    assert held_out.pages[0] not in training.pages
    assert "1 images of --data are held out" in caplog.text
    few = small(photos / "0[0-3]*")
    training, held_out = run.find_data(few)
    assert training.pages == held_out.pages
    assert len(run.find_data(small(photos, val_data=[str(photos)]))[1]) == 12


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


MIRRORED = """
    import sys
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from n2n_tf.cli.main import main
    sys.exit(main(sys.argv[1:]))
"""


def test_a_mirrored_run_equals_one_on_one_device(photos, tmp_path):
    command = ["train", *flags(photos, ema=0.9, epochs=1, steps_per_epoch=3, learning_rate=1e-4)]
    for strategy in ("mirrored", "none"):
        arguments = [*command, "--strategy", strategy, "--output", str(tmp_path / strategy)]
        subprocess.run([sys.executable, "-c", textwrap.dedent(MIRRORED), *arguments], check=True, capture_output=True)
    mirrored, one = (state(tmp_path / strategy) for strategy in ("mirrored", "none"))
    weights = [name for name in one if name.startswith(("optimizer/_trainable", "weights/average"))]
    assert len(weights) == 100
    for name in weights:
        np.testing.assert_allclose(mirrored[name], one[name], atol=1e-5, err_msg=name)
    losses = [float(rows(tmp_path / strategy)[0]["loss"]) for strategy in ("mirrored", "none")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_strategy_wants_a_batch_that_divides(monkeypatch, photos):
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda kind: [tf.config.LogicalDevice(f"CPU:{i}", "CPU") for i in range(3)]
    )
    with pytest.raises(UsageError, match="--batch-size 2: wanted a multiple of the 3 devices; try 3"):
        Workers(small(photos)).join()


def test_history_rows_of_a_lost_epoch_are_forgotten(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.history.write_text("epoch,loss\n0,1.0\n1,2.0\n2,3.")
    directory.forget_from(1)
    assert directory.history.read_text().split() == ["epoch,loss", "0,1.0"]
    directory.forget_from(0)
    assert directory.history.read_text().split() == ["epoch,loss"]
    directory.history.write_text("")  # killed before the header was written
    directory.forget_from(0)
    assert directory.history.read_text() == ""


def test_a_denoiser_that_gives_no_numbers_is_never_the_best(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(run.Validation, "scores", lambda self: {"psnr": float("nan"), "noisy_psnr": 20.0})
    with pytest.raises(RunError, match="no epoch's denoiser gave numbers"):
        n2n_tf.train(small(photos), tmp_path / "run")
    assert not (tmp_path / "run" / "denoiser.keras").exists()
