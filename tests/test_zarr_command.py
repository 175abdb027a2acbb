"""`n2n-tf denoise` with OME-Zarr: among other files, killed and gone on with, two processes at once."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from n2n_tf.cli.main import main
from tests.runs import until
from tests.zarrs import chunk_files, pixels, write_image, zarr

SLOW = """
    import sys, time
    from n2n_tf.inference import Denoiser
    from n2n_tf.tasks import zarr_blocks
    zarr_blocks.LONGEST = 64
    call = Denoiser.__call__
    def slow(self, noisy, on_tile=None):
        time.sleep(0.05)
        print(noisy.shape, flush=True)
        return call(self, noisy, on_tile)
    Denoiser.__call__ = slow
    from n2n_tf.cli.main import main
    sys.exit(main(sys.argv[1:]))
"""
RECORD = "n2n_tf-unfinished.json"


def denoise(*arguments):
    return main(["denoise", *map(str, arguments)])


def start(*arguments):
    """A process that denoises slowly, in small blocks, and prints each image that it denoises."""
    command = [sys.executable, "-c", textwrap.dedent(SLOW), "denoise", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def done(folder):
    """Blocks that are on record, of each level."""
    record = folder / RECORD
    return json.loads(record.read_text())["done"] if record.exists() else [0, 0]


def place(name):
    """Level, row and column of a chunk's file."""
    level, _, row, column = name.split("/")
    return int(level), int(row), int(column)


def finished(name, done):
    """Whether a file of pixels belongs to a block on record: 2×2 chunks of 32 in level 0, 4 columns of blocks."""
    level, row, column = place(name)
    block = row // 2 * 4 + column // 2 if level == 0 else row // 2 * 2 + column // 2
    return block < done[level]


def test_killed_twice_no_chunk_on_record_is_written_again(models, tmp_path):
    data = pixels(256, 256)
    source = write_image(tmp_path / "a.ome.zarr", data, levels=2, chunks=(32, 32))
    target = tmp_path / "out" / "a.ome.zarr"
    work = tmp_path / "out" / ".partial.a.ome.zarr"
    command, calls, before = (models("negative 1"), source, "--output", tmp_path / "out"), 0, {}
    for least in (4, 9):
        with start(*command) as process:
            until(lambda least=least: done(work)[0] >= least, process, 0.01)
            process.kill()
            process.wait()
            calls += process.stdout.read().count("(") - 1  # but for the image that tells models apart
        record = done(work)
        files = {name: stat for name, stat in chunk_files(work / "zarr").items() if finished(name, record)}
        assert len(files) == 4 * record[0] >= 4 * least
        assert before.items() <= files.items()
        before = files
        assert not target.exists()
    with start(*command) as process:
        printed, said = process.communicate()
    assert process.returncode == 0, said
    assert f"{target}: going on after {record[0]} blocks" in said
    calls += printed.count("(") - 1
    assert 16 <= calls <= 16 + 2  # a block that was being done at a kill is done again
    assert before.items() <= chunk_files(target).items()
    np.testing.assert_array_equal(zarr.open_array(target / "0")[...], 65535 - data)
    assert os.listdir(tmp_path / "out") == ["a.ome.zarr"]


def test_a_second_process_leaves_the_first_alone(models, tmp_path):
    source = write_image(tmp_path / "a.ome.zarr", pixels(256, 256), levels=2, chunks=(32, 32))
    command = (models("negative 1"), source, "--output", tmp_path / "out")
    work = tmp_path / "out" / ".partial.a.ome.zarr"
    with start(*command) as process:
        try:
            until(lambda: done(work)[0] >= 2, process, 0.01)
            process.send_signal(signal.SIGSTOP)  # so that what changes is the other's doing
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            before = chunk_files(tmp_path / "out")
            second = subprocess.run(
                [sys.executable, "-m", "n2n_tf", "denoise", *map(str, command), "--overwrite"],
                capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert second.returncode == 1
            assert f"process {process.pid} on {os.uname().nodename} is writing there" in second.stderr
            assert chunk_files(tmp_path / "out") == before
            process.send_signal(signal.SIGCONT)
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert os.listdir(tmp_path / "out") == ["a.ome.zarr"]


def test_another_model_does_not_go_on_with_it(models, tmp_path, capsys):
    source = write_image(tmp_path / "a.zarr", pixels(256, 256), levels=2, chunks=(32, 32))
    target = tmp_path / "out" / "a.zarr"
    with start(models("negative 1"), source, "--output", target.parent) as process:
        until(lambda: done(target.parent / ".partial.a.zarr")[0] >= 2, process, 0.01)
        process.kill()
    assert denoise(models("identity 1"), source, "--output", target.parent) == 1
    assert "was begun with another model or image, and not ended" in capsys.readouterr().err
    assert done(target.parent / ".partial.a.zarr")[0] >= 2
    assert denoise(models("identity 1"), source, "--output", target.parent, "--overwrite") == 0
    np.testing.assert_array_equal(zarr.open_array(target / "0")[...], zarr.open_array(source / "0")[...])


def test_groups_among_other_files_and_in_a_container(models, tmp_path, caplog, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    data = {"x/a.ome.zarr": pixels(40, 50), "b.zarr": pixels(30, 20), "plate.zarr/A/1": pixels(20, 20)}
    zarr.open_group(folder / "plate.zarr", mode="w")
    for name, image in data.items():
        write_image(folder / name, image, 2, levels=2, chunks=(16, 16))
    Image.fromarray(np.uint8(pixels(9, 9, most=255))).save(folder / "c.png")
    assert denoise(models("negative 1"), folder, "--output", out, "--suffix", "_d") == 0
    for name, image in data.items():
        ending = next((each for each in (".ome.zarr", ".zarr") if name.endswith(each)), "")
        result = zarr.open_array(out / f"{name.removesuffix(ending)}_d{ending}" / "0")
        np.testing.assert_array_equal(result[...], 65535 - image)
    assert (out / "c_d.png").exists()
    capsys.readouterr()
    assert denoise(models("negative 1"), folder, "--output", out, "--suffix", "_d") == 0
    assert "4 outputs exist already and were kept" in capsys.readouterr().out


def test_globs_and_a_suffix_beside_the_inputs(models, tmp_path):
    for name in ("x/a.ome.zarr", "y/b.ome.zarr"):
        write_image(tmp_path / "in" / name, pixels(20, 30), levels=1)
    assert denoise(models("identity 1"), tmp_path / "in" / "*" / "*.ome.zarr", "--output", tmp_path / "out") == 0
    assert sorted(str(each.relative_to(tmp_path / "out")) for each in (tmp_path / "out").glob("*/*")) == [
        "x/a.ome.zarr", "y/b.ome.zarr",
    ]  # fmt: skip
    assert denoise(models("identity 1"), tmp_path / "in" / "x" / "a.ome.zarr", "--suffix", "_d") == 0
    assert sorted(os.listdir(tmp_path / "in" / "x")) == ["a.ome.zarr", "a_d.ome.zarr"]


def test_urls(models, tmp_path, capsys):
    data = pixels(40, 50)
    write_image(f"memory://{tmp_path.name}/a.ome.zarr", data, levels=2)
    assert denoise(models("negative 1"), f"memory://{tmp_path.name}/a.ome.zarr", "--output", tmp_path / "out") == 0
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "out" / "a.ome.zarr" / "0")[...], 65535 - data)
    there = f"memory://{tmp_path.name}/there"
    assert denoise(models("negative 1"), tmp_path / "out", "--output", there) == 0
    np.testing.assert_array_equal(zarr.open_array(f"{there}/a.ome.zarr/0")[...], data)
    assert denoise(models("negative 1"), tmp_path / "out", "--output", there) == 0
    assert "1 outputs exist already and were kept" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["identity 1", "a.zarr", "--output", "."], 2, "would replace a.zarr, or lie in it; give a --suffix"),
        (["identity 1", "a.zarr", "--output", "a.zarr"], 2, "or lie in it"),
        (["identity 1", "a.zarr", "b/a.zarr", "--output", "out"], 2, "both results would be"),
        (["identity 1", "c.png", "--output", "memory://x"], 2, "a URL takes OME-Zarr images alone"),
        (["identity 3", "a.zarr", "--output", "out"], 1, "1 channels; this model takes 3: use one of as many"),
        (["identity 4", "a.zarr", "--output", "out"], 1, "no raw file; this model takes raw files"),
        (["identity 1", "empty.zarr", "--output", "out"], 1, "no OME-Zarr image: a Zarr group without multiscales"),
        (["identity 1", "memory://nothing", "--output", "out"], 1, "no Zarr group is there"),
        (["identity 1", "a.zarr", "--output", "out", "--memory", "0.6"], 1, "memory 0.6 GB: blocks of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_said_in_a_line(arguments, status, message, models, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("a.zarr", "b/a.zarr"):
        write_image(tmp_path / name, pixels(20, 30), levels=1)
    zarr.open_group(tmp_path / "empty.zarr", mode="w")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save("c.png")
    assert denoise(models(arguments[0]), *arguments[1:]) == status
    error = capsys.readouterr().err.replace(f"{tmp_path}/", "")
    assert message in error
    assert "Traceback" not in error
