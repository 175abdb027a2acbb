"""`n2n-tf denoise --scheduler`: the same results as without, from two processes that are killed or interrupted too."""

import csv
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import far, make_photos
from PIL import Image

from n2n_tf.cli.main import main
from n2n_tf.config import RunError
from n2n_tf.tasks import crew as crew_module
from n2n_tf.tasks import denoise_files as task
from n2n_tf.tasks import zarr_blocks
from n2n_tf.tasks.cluster import connected
from n2n_tf.tasks.crew import Crew, new_job
from n2n_tf.tasks.crew_work import Done
from n2n_tf.tasks.recipe import Recipe
from tests.runs import ROOT, until

pytest.importorskip("distributed", reason="pip install n2n-tf[dask]")
zarrs = pytest.importorskip("tests.zarrs", reason="zarr 3 wants Python 3.11: pip install n2n-tf[zarr]")
psutil = pytest.importorskip("psutil", reason="comes with Dask")

SLOW = """
    import time
    from n2n_tf.tasks.quiet import quiet_import

    with quiet_import():
        from n2n_tf.inference import Denoiser

    call = getattr(Denoiser.__call__, "quick", Denoiser.__call__)  # Dask loads this twice

    def slow(self, *arguments):
        time.sleep(0.6)
        return call(self, *arguments)

    slow.quick = call
    Denoiser.__call__ = slow
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs, an OME-Zarr image, and models of one and of three channels."""
    folder = tmp_path_factory.mktemp("crew")
    make_photos(folder / "in")
    zarrs.write_image(folder / "a.ome.zarr", zarrs.pixels(256, 256), levels=2, chunks=(32, 32))
    for channels in (1, 3):
        far(channels).save(folder / f"{channels}.keras")
    return folder


@pytest.fixture(scope="module")
def cluster():
    """The scheduler of two processes."""
    with connected("local:2") as client:
        yield Scheduler(client.scheduler.address)


class Scheduler(str):
    """The address of one."""

    def each(self, function, *arguments):
        """Have each worker do something: its address -> the result."""
        from distributed import Client

        with Client(self, set_as_default=False) as client:
            return client.run(function, *arguments)


def denoise(*arguments):
    return main(["denoise", *map(str, arguments)])


def start(folder, *arguments):
    """A process that denoises slowly with two local processes, in a group of its own."""
    preload = folder / "slow.py"
    preload.write_text(textwrap.dedent(SLOW) + "dask_setup = lambda worker: None\n")
    return subprocess.Popen(
        [sys.executable, "-m", "n2n_tf", "denoise", *map(str, arguments), "--scheduler", "local:2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=ROOT,
        env={**os.environ, "DASK_DISTRIBUTED__WORKER__PRELOAD": json.dumps([str(preload)])},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored in the background
    )  # fmt: skip


def bytes_of(folder):
    """Every file under a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_as_without(folder, cluster, tmp_path, capsys):
    told = (folder / "3.keras", folder / "in")
    assert denoise(*told, "--output", tmp_path / "x", "--report", tmp_path / "x.csv") == 0
    alone = capsys.readouterr()
    command = (*told, "--output", tmp_path / "y", "--report", tmp_path / "y.csv", "--scheduler", cluster)
    assert denoise(*command) == 0
    together = capsys.readouterr()
    assert together.err == alone.err
    assert len(together.out.splitlines()) == len(alone.out.splitlines()) == 12
    assert bytes_of(tmp_path / "x") == bytes_of(tmp_path / "y")
    assert rows(tmp_path / "x.csv") == rows(tmp_path / "y.csv")
    before = {path: path.stat() for path in (tmp_path / "y").iterdir()}
    assert denoise(*command) == 0
    assert "12 outputs exist already and were kept" in capsys.readouterr().out
    assert {path: path.stat() for path in (tmp_path / "y").iterdir()} == before


def rows(path):
    with open(path, newline="") as file:
        return sorted(csv.reader(file))


def test_blocks_as_without(folder, cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(zarr_blocks, "LONGEST", 64)
    for name, more in (("x", []), ("y", ["--scheduler", cluster])):
        assert denoise(folder / "1.keras", folder / "a.ome.zarr", "--output", tmp_path / name, *more) == 0
    assert bytes_of(tmp_path / "x") == bytes_of(tmp_path / "y")
    assert os.listdir(tmp_path / "y") == ["a.ome.zarr"]


def test_the_environment_stays(monkeypatch):
    """Threads for the workers stayed for whatever this process began later, whose numbers they change."""
    for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "PYTHONHASHSEED"):  # `cluster` may have set them
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    with connected("local:1"):
        pass
    assert dict(os.environ) == before


def test_ctrl_c_and_on(folder, cluster, tmp_path, capsys):
    told = (folder / "3.keras", folder / "in", "--output", tmp_path / "out")
    with start(tmp_path, *told) as process:
        until(lambda: len(list((tmp_path / "out").glob("*.*"))) >= 3, process, 0.01)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "stopped; the same command goes on after what is written\n"
    written = bytes_of(tmp_path / "out")
    assert 2 <= len(written) < 12
    assert denoise(*told, "--scheduler", cluster) == 0
    assert f"{len(written)} outputs exist already and were kept" in capsys.readouterr().out
    assert denoise(*told[:3], tmp_path / "alone") == 0
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "alone")


def test_what_a_worker_cannot_read_is_listed(folder, cluster, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    whole = (folder / "in" / "01.png").read_bytes()
    (tmp_path / "in" / "a.png").write_bytes(whole)
    (tmp_path / "in" / "b.png").write_bytes(whole[: len(whole) // 2])
    errors = []
    for more in ([], ["--scheduler", cluster]):
        assert denoise(folder / "3.keras", tmp_path / "in", "--output", tmp_path / f"out{len(more)}", *more) == 1
        errors.append(capsys.readouterr().err)
    assert errors[0] == errors[1]
    assert "1 of 2 files failed" in errors[1]
    assert os.listdir(tmp_path / "out2") == ["a.png"]


def test_what_workers_say_is_said(cluster, tmp_path, capsys):
    Image.fromarray(np.full((40, 50), 900, np.uint16) + np.arange(50, dtype=np.uint16)).save(tmp_path / "a.png")
    errors = []
    for more in ([], ["--scheduler", cluster]):
        assert denoise("blind_gray", tmp_path / "a.png", "--output", tmp_path / f"out{len(more)}", *more) == 0
        errors.append(capsys.readouterr().err)
    assert errors[0] == errors[1]
    assert "its pixels lie from" in errors[1]


def test_without_training(cluster, tmp_path):
    noisy = np.random.default_rng(0).normal(128, 20, (40, 50, 3)).clip(0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(tmp_path / "a.png")
    for more in ([], ["--scheduler", cluster]):
        output = tmp_path / f"out{len(more)}"
        assert denoise("nlm", tmp_path / "a.png", "--output", output, "--known-sigma", 20, *more) == 0
    assert bytes_of(tmp_path / "out0") == bytes_of(tmp_path / "out2")


def test_from_python(folder, cluster, tmp_path):
    outcome = task.denoise_files(folder / "3.keras", folder / "in" / "01.png", tmp_path / "x", scheduler=cluster)
    assert outcome.written == {str(folder / "in" / "01.png"): str(tmp_path / "x" / "01.png")}
    with pytest.raises(TypeError, match="workers load it themselves; save it, and give its path"):
        task.denoise_files(far(3), folder / "in", tmp_path / "x", scheduler=cluster)


def test_a_worker_without_the_folder_of_the_results(folder, cluster, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(crew_module, "partial_name", lambda name: ".partial.seen/by/nobody")
    monkeypatch.setattr(Path, "touch", lambda self: None)
    assert denoise(folder / "3.keras", folder / "in", "--output", tmp_path / "x", "--scheduler", cluster) == 1
    error = capsys.readouterr().err
    assert "n2n-tf denoise: error: worker on" in error
    assert "wanted one folder that all workers see" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["local:0"], "--scheduler local:0: wanted local, local:N for N processes, HOST:PORT"),
        (["local:two"], "wanted local, local:N"),
        (["nowhere"], "wanted local, local:N"),
        (["local", "--adapt", "5"], "--scheduler with --adapt: trains one model, in this process"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_said_in_a_line(more, message, folder, tmp_path, capsys):
    assert denoise("blind", folder / "in", "--output", tmp_path / "x", "--scheduler", *more) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_nobody_answers(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("n2n_tf.tasks.cluster.PATIENCE", 1)
    assert denoise("blind", folder / "in", "--output", tmp_path / "x", "--scheduler", "127.0.0.1:9") == 1
    assert "127.0.0.1:9: no Dask scheduler there in 1 s; start one" in capsys.readouterr().err


@pytest.mark.parametrize(("gone", "message"), [(False, "no worker for 1 s; start some"), (True, "has gone; the same")])
def test_no_worker_and_no_scheduler(gone, message, folder, tmp_path, monkeypatch, capsys):
    from distributed import LocalCluster

    monkeypatch.setattr(crew_module, "ABSENT", 1.0)
    monkeypatch.setattr(crew_module, "TICK", 0.2)
    with LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", host="127.0.0.1") as cluster:
        if gone:
            monkeypatch.setattr(crew_module, "ABSENT", 60.0)
            threading.Timer(3, cluster.close).start()
        address = cluster.scheduler_address
        assert denoise(folder / "3.keras", folder / "in", "--output", tmp_path / "x", "--scheduler", address) == 1
    assert message in capsys.readouterr().err
    assert os.listdir(tmp_path / "x") == []


def test_another_file_or_version_is_another_model(folder, tmp_path, monkeypatch):
    path = tmp_path / "m.keras"
    path.write_bytes((folder / "1.keras").read_bytes())
    recipe = Recipe.of(path, tile=512)
    assert recipe.build().tile == 512
    path.write_bytes((folder / "3.keras").read_bytes())
    with pytest.raises(RunError, match=r"m\.keras: is another file here"):
        recipe.build()
    monkeypatch.setattr("n2n_tf.tasks.recipe.__version__", "0.0.9")
    with pytest.raises(RunError, match=r"has n2n_tf 0\.0\.9; wanted"):
        recipe.build()


def test_blocks_come_in_their_order():
    order = np.random.default_rng(0).permutation(20).tolist()

    class Shuffled(Crew):
        def each(self, pieces):
            assert [piece.number for piece in pieces] == list(range(5, 25))
            yield from ((number, Done(result=number % 3 == 0)) for number in order)

    job = new_job("a", (), [(1,)], "b")
    found = list(Shuffled(None, "", Recipe("blind")).blocks(job, 0, range(5, 25)))
    assert found == [(number + 5, number % 3 == 0) for number in range(20)]


def test_a_failed_block_ends_the_image():
    class Failing(Crew):
        def each(self, pieces):
            yield 1, Done(result=True)
            yield 0, Done(error=OSError(28, "No space left on device"), host="far away")

    with pytest.raises(RunError, match=r"No space left on device \(on far away\)"):
        list(Failing(None, "", Recipe("blind")).blocks(new_job("a", (), [(1,)], "b"), 0, range(2)))


def test_a_worker_killed_loses_nothing(folder, cluster, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(zarr_blocks, "LONGEST", 64)
    told = (folder / "1.keras", folder / "a.ome.zarr", "--output")
    assert denoise(*told, tmp_path / "alone") == 0
    cluster.each(exec, textwrap.dedent(SLOW), {})  # the last test with these workers
    record = tmp_path / "out" / ".partial.a.ome.zarr" / "n2n_tf-unfinished.json"
    process, killed = psutil.Process(min(cluster.each(os.getpid).values())), []

    def kill():
        while not record.exists() or (done := json.loads(record.read_text())["done"][0]) < 2:
            time.sleep(0.01)
        process.kill()
        killed.append(done)

    thread = threading.Thread(target=kill)
    thread.start()
    capsys.readouterr()
    assert denoise(*told, tmp_path / "out", "--scheduler", cluster) == 0
    thread.join()
    assert killed[0] < 16
    assert not process.is_running()
    assert capsys.readouterr().err == ""
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "alone")
