"""Runs that end early: their processes go, and a run directory has one owner."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from n2n_tf.config import RunError
from n2n_tf.ownership import NAME, owned
from tests.runs import ROOT, flags, until

WITHIN = 20  # seconds to exit in

SLOW = """
    import signal, sys, time
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    from n2n_tf.formats import readers
    from n2n_tf.networks import NETWORKS
    from tests.runs import two_layers
    NETWORKS["two_layers"] = two_layers
    read = readers.read
    def slow(page):
        time.sleep(0.3)
        return read(page)
    readers.read = slow
    from n2n_tf.cli.main import main
    sys.exit(main(sys.argv[1:]))
"""


def start(photos, output, **settings):
    """A process that trains, on images that are slow to decode."""
    command = ["train", *flags(photos, epochs=50, steps_per_epoch=100, **settings), "--output", str(output)]
    source = [sys.executable, "-c", textwrap.dedent(SLOW)]
    return subprocess.Popen(
        [*source, *command], stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


@pytest.mark.parametrize(("signal_", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_process(photos, tmp_path, signal_, status):
    with start(photos, tmp_path / "run") as process:
        try:
            until(lambda: len(list(tmp_path.glob("run/checkpoints/step-*.index"))) > 1, process)
            process.send_signal(signal_)
            assert process.wait(WITHIN) == status
        finally:
            process.kill()


def test_divergence_ends_the_process(photos, tmp_path):
    with start(photos, tmp_path / "run", learning_rate=1e5, warmup_steps=0, optimizer="sgd") as process:
        try:
            lines = iter(process.stderr.readline, "")
            assert any("training diverged" in line for line in lines)
            assert process.wait(WITHIN) == 1
        finally:
            process.kill()


HOLD = """
    import sys, time
    from pathlib import Path
    from n2n_tf.ownership import owned
    with owned(Path(sys.argv[1])):
        print("mine", flush=True)
        time.sleep(60)
"""


def test_a_run_directory_has_one_owner_until_its_process_dies(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "mine\n"
        said = f"process {process.pid} on {os.uname().nodename} is training there"
        with pytest.raises(RunError, match=said), owned(tmp_path / "run"):
            pass
        assert os.listdir(tmp_path / "run") == [NAME]
        process.kill()
        process.wait()
    said = "this process is training there"
    with owned(tmp_path / "run"), pytest.raises(RunError, match=said), owned(tmp_path / "run"):
        pass
    assert os.listdir(tmp_path / "run") == []


def test_what_owning_made_goes_again_unless_something_was_written(tmp_path):
    with owned(tmp_path / "a" / "b"):
        pass
    assert os.listdir(tmp_path) == []
    with owned(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "file").touch()
    assert os.listdir(tmp_path / "a" / "b") == ["file"]


def contents(folder):
    """Of all its files, and when they were written."""
    return {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in folder.rglob("*")}


def test_a_requeued_job_leaves_the_living_run_alone(photos, tmp_path):
    run = tmp_path / "run"
    with start(photos, run) as process:
        try:
            until(lambda: len(list(run.glob("checkpoints/step-*.index"))) > 1, process)
            process.send_signal(signal.SIGSTOP)  # so that what changes is the other's doing
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            before = contents(run)
            assert {"config.json", "images.json", NAME, "checkpoint"} <= {path.name for path in before}
            command = ["train", *flags(photos, epochs=50, steps_per_epoch=100), "--output", str(run)]
            again = [sys.executable, "-m", "n2n_tf", *command, "--resume", "auto"]
            second = subprocess.run(again, capture_output=True, text=True, timeout=60)
            assert second.returncode == 1
            assert f"process {process.pid} on {os.uname().nodename} is training there" in second.stderr
            assert len(second.stderr.strip().splitlines()) == 1
            assert contents(run) == before
            assert process.poll() is None
        finally:
            process.kill()


JUST_LOCKED = """
    import fcntl, sys, time
    with open(sys.argv[1], "r+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        print("mine", flush=True)
        time.sleep(0.05)
        file.write("process 7 on earth")
        file.flush()
        time.sleep(5)
"""


@pytest.mark.parametrize("left", ["", "process 1 on the moon"])
def test_an_owner_is_named_from_the_first_moment(left, tmp_path):
    """Between locking and writing its name; the file may be another's, which was killed."""
    (tmp_path / NAME).write_text(left)
    command = [sys.executable, "-c", textwrap.dedent(JUST_LOCKED), str(tmp_path / NAME)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "mine\n"
        with pytest.raises(RunError, match="process 7 on earth"), owned(tmp_path):
            pass
        process.kill()
