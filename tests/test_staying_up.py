"""What kills, fills, breaks or diverges: a run stops in good order and goes on as if nothing had been."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import n2n_tf
from n2n_tf.cli.main import main
from n2n_tf.config import RunError, UsageError
from n2n_tf.training import run
from n2n_tf.training.divergence import StopAtNaN
from n2n_tf.training.optimization import OPTIMIZERS
from n2n_tf.training.rundir import RunDirectory
from tests.conftest import make_photos
from tests.runs import ROOT, assert_same_state, flags, rows, saved_steps, small, state

pytestmark = pytest.mark.usefixtures("two_layers")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    n2n_tf.train(small(make_photos(folder / "photos")), folder / "run")
    return folder / "run"


# Steps that take long enough for a signal to find the run between two checkpoints.
SLOW = """
    import signal, sys, time
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    from n2n_tf.cli.main import main
    from n2n_tf.networks import NETWORKS
    from n2n_tf.training.divergence import StopAtNaN
    from tests.runs import two_layers
    NETWORKS["two_layers"] = two_layers
    StopAtNaN.on_train_batch_begin = lambda *args, **named: time.sleep(0.3)
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9, "jit_compile": "on"}], ids=["plain", "ema and XLA"])
def test_killed_and_resumed_equals_uninterrupted(photos, tmp_path, settings, capsys):
    """kill -9 of a real process in the middle of an epoch; resumed; Ctrl-C; resumed to the end."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    n2n_tf.train(small(photos, **settings), whole)

    command = ["train", *flags(photos, **settings), "--output", str(killed)]
    process = [sys.executable, "-c", textwrap.dedent(SLOW), *command]
    stop_at_checkpoint(killed, signal.SIGKILL, process)
    assert not (killed / "report.json").exists()
    stopped = stop_at_checkpoint(killed, signal.SIGINT, [*process, "--resume"])
    assert stopped.returncode == 130
    assert f"stopped; go on with: n2n-tf train --resume --output {killed}" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    last = max(saved_steps(killed))
    assert main([*command, "--resume"]) == 0
    assert f"going on after step {last} of 12" in capsys.readouterr().err
    assert last >= 6
    assert_same_state(whole, killed)
    for name, value in rows(whole)[-1].items():  # logs only: their sums may round differently
        assert float(rows(killed)[-1][name]) == pytest.approx(float(value), rel=1e-5)
    assert [row["epoch"] for row in rows(killed)] == ["0", "1"]


@pytest.mark.parametrize("step", [4, 6, 12], ids=["in an epoch", "at an epoch's end", "at the run's end"])
def test_sigterm_ends_the_step_saves_and_stops(photos, whole, tmp_path, step, monkeypatch, capsys):
    """As clusters send it before they take a machine away."""
    stopped = tmp_path / "stopped"
    command = ["train", *flags(photos, checkpoint_steps=1000)]
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


def test_sigterm_behind_the_last_step_stops_what_would_follow(photos, tmp_path, monkeypatch):
    """It was taken and forgotten: `compare` went on with its next run, a job with its second stage."""

    def report(self, seconds):
        os.kill(os.getpid(), signal.SIGTERM)
        return whole_report(self, seconds)

    whole_report = run.Run._report
    monkeypatch.setattr(run.Run, "_report", report)
    command = ["train", *flags(photos), "--output", str(tmp_path / "run")]
    assert main(command) == 143
    assert (tmp_path / "run" / "report.json").exists()
    monkeypatch.undo()
    assert main([*command, "--resume"]) == 0


def test_killed_while_the_first_checkpoint_is_written(whole, tmp_path):
    killed = shutil.copytree(whole, tmp_path / "killed")
    for path in (killed / "checkpoints").iterdir():
        if not path.name.startswith("step-0"):
            path.unlink()
    (killed / "checkpoints" / "step-0.index").write_bytes(b"")
    (killed / "history.csv").write_bytes(b"")
    n2n_tf.resume(killed)
    assert_same_state(whole, killed)


def stop_at_checkpoint(directory, number, command):
    """Run a command, send it a signal as soon as it has saved a new step, and return it when it has ended."""
    before = saved_steps(directory) | {0}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while saved_steps(directory) <= before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode in (-number, 130), stderr
    return subprocess.CompletedProcess(command, process.returncode, None, stderr)


def test_resume_after_the_end_changes_nothing_and_damaged_checkpoints_fall_back(whole, tmp_path, caplog):
    out = shutil.copytree(whole, tmp_path / "run")
    before = state(out)
    weights = (out / "denoiser.keras").read_bytes()
    n2n_tf.resume(out)
    assert (out / "denoiser.keras").read_bytes() == weights

    newest = sorted((out / "checkpoints").glob("step-12.data*"))[0]
    newest.write_bytes(newest.read_bytes()[:1000])
    with caplog.at_level(logging.WARNING):
        n2n_tf.resume(out)
    assert "cannot be read" in caplog.text
    after = state(out)
    assert len(before) > 12
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)

    for path in (out / "checkpoints").glob("step-*.data*"):
        path.write_bytes(b"")
    with pytest.raises(RunError, match=r"no checkpoint in .* can be read"):
        n2n_tf.resume(out)


def test_resume_refuses_other_settings_and_warns_of_another_environment(whole, tmp_path, caplog):
    out = shutil.copytree(whole, tmp_path / "run")
    with pytest.raises(UsageError, match=r"`epochs`: the run has 2; it keeps its settings"):
        n2n_tf.resume(out, {"epochs": 3})
    saved = json.loads((out / "config.json").read_text())
    saved["environment"]["threads"] = 99
    (out / "config.json").write_text(json.dumps(saved))
    with caplog.at_level(logging.WARNING):
        n2n_tf.resume(out, {"epochs": 2})
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


def test_a_run_of_before_a_setting_goes_on_without_it(photos, tmp_path, capsys):
    command = ["train", *flags(photos, epochs=1), "--resume", "auto", "--output", str(tmp_path / "run")]
    assert main([*command, "--clip-gradients", "0"]) == 0
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["config"].pop("clip_gradients") == 0
    (tmp_path / "run" / "config.json").write_text(json.dumps(saved))
    capsys.readouterr()
    assert main(command) == 0
    assert "--clip-gradients 0.0: the run began before there was this setting" in capsys.readouterr().err
    assert main([*command, "--clip-gradients", "3"]) == 2
    assert "--clip-gradients: the run has 0.0; it keeps its settings" in capsys.readouterr().err


def test_checkpoints_of_another_run_are_not_taken(photos, tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds checkpoints of another run; remove them, or name another"):
        n2n_tf.train(small(photos), tmp_path / "run")


@pytest.mark.parametrize("optimizer", sorted({"lamb", "ranger"} & set(OPTIMIZERS)))
def test_any_optimizer_goes_on_as_if_never_stopped(optimizer, photos, tmp_path, monkeypatch):
    def stop(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == 5:
            raise KeyboardInterrupt

    settings = small(photos, optimizer=optimizer.upper())
    n2n_tf.train(settings, tmp_path / "whole")
    monkeypatch.setattr(StopAtNaN, "on_train_batch_end", stop)
    with pytest.raises(KeyboardInterrupt):
        n2n_tf.train(settings, tmp_path / "stopped")
    monkeypatch.undo()
    assert saved_steps(tmp_path / "stopped") == {0, 4}
    assert RunDirectory(tmp_path / "stopped").settings().optimizer.optimizer == optimizer.upper()
    n2n_tf.resume(tmp_path / "stopped")
    assert_same_state(tmp_path / "whole", tmp_path / "stopped")


def test_checkpoints_of_the_other_keras_are_refused(whole, tmp_path, capsys):
    shutil.copytree(whole, tmp_path / "run")
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    here = saved["environment"]["keras"]
    saved["environment"]["keras"] = there = "2.15.0" if here.startswith("3.") else "3.15.1"
    (tmp_path / "run" / "config.json").write_text(json.dumps(saved))
    assert main(["train", "--resume", "--output", str(tmp_path / "run")]) == 2
    told = (
        f"begun with Keras {there}, whose checkpoints Keras {here} cannot read; go on with the former, or begin a new"
    )
    assert told in capsys.readouterr().err


def test_divergence_stops_at_the_first_step_with_the_values(photos, tmp_path):
    with pytest.raises(RunError, match=r"diverged at step [23]: (?=.*gamma 1).*loss (nan|inf)"):
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
    monkeypatch.setattr(run.Scorer, "scores", lambda self: {"psnr": float("nan"), "noisy_psnr": 20.0})
    with pytest.raises(RunError, match="no epoch's denoiser gave numbers"):
        n2n_tf.train(small(photos), tmp_path / "run")
    assert not (tmp_path / "run" / "denoiser.keras").exists()
