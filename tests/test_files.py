import io
import pathlib
import signal
import struct
import subprocess
import sys
import time

import imagecodecs
import numpy as np
import pytest
import tifffile

from n2n_tf import files
from n2n_tf.cli.main import main
from n2n_tf.config import MANIFEST
from n2n_tf.data.finding import find_files
from n2n_tf.data.manifest import TRAIN
from n2n_tf.data.shard_writer import Source, Writer
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.readers import pages
from n2n_tf.formats.tiff.tags import MOST_PAGES

WRITER = """
import pathlib, sys, time
from n2n_tf import files
from n2n_tf.cli.main import main
def slowly(path):
    with open(path, "wb") as file:
        for _ in range(20):
            file.write(sys.argv[2].encode() * 1000)
            file.flush()
            time.sleep(0.01)
files.write(pathlib.Path(sys.argv[1]), slowly)
"""


def test_two_processes_write_one_target(tmp_path):
    target = tmp_path / "target.bin"
    both = [subprocess.Popen([sys.executable, "-c", WRITER, target, letter]) for letter in "ab"]
    assert [process.wait(60) for process in both] == [0, 0]
    assert target.read_bytes() in (b"a" * 20000, b"b" * 20000)
    assert list(tmp_path.iterdir()) == [target]


def test_what_killed_processes_left_is_removed_and_no_more(tmp_path):
    killed, living = (
        subprocess.Popen([sys.executable, "-c", WRITER.replace("20", "9999"), tmp_path / name, "a"])
        for name in ("killed.bin", "living.bin")
    )
    try:
        began = time.monotonic()
        while len(partial := set(tmp_path.iterdir())) < 2:
            assert time.monotonic() - began < 30
            time.sleep(0.01)
        killed.kill()
        killed.wait()
        assert set(tmp_path.iterdir()) == partial
        files.write_json(tmp_path / "other.json", 1)
        left = set(tmp_path.iterdir()) - {tmp_path / "other.json"}
        assert len(left) == 1
        assert left < partial
        assert f"-{living.pid}-" in left.pop().name
    finally:
        living.kill()
        living.wait()


KILLED = """
import os, pathlib, signal, sys
from n2n_tf import files
with files.partial_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / "version" / "variables").mkdir(parents=True)
    (folder / "version" / "saved_model.pb").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def left(tmp_path):
    """What a killed process left in a folder: a folder."""
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(files.PARTIAL)
    return left


def test_folders_that_killed_processes_left_are_removed(left):
    folder = left.parent
    with files.partial_folder(folder) as new:
        assert list(folder.iterdir()) == [new]
        (new / "version").mkdir()
        (new / "version").rename(folder / "1")
    assert [path.name for path in folder.iterdir()] == ["1"]
    with pytest.raises(FileNotFoundError), files.partial_folder(folder) as new:
        (new / "no" / "such").mkdir()
    assert [path.name for path in folder.iterdir()] == ["1"]


def test_what_is_left_is_removed_as_far_as_it_can_be(left, monkeypatch):
    folder, name = left.parent, left.name.rpartition("-")[0]
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (folder / f"{name}-link").symlink_to(elsewhere)
    (folder / f"{name}-file").touch()
    mine = folder / f"{name}-mine"
    mine.touch()
    unlink = pathlib.Path.unlink

    def refused(self, missing_ok=False):
        if self == mine:
            raise PermissionError(1, "Operation not permitted", str(self))
        unlink(self, missing_ok)

    monkeypatch.setattr(pathlib.Path, "unlink", refused)
    files.write_json(folder / "other.json", 1)
    assert set(folder.iterdir()) == {mine, elsewhere, folder / "other.json"}
    assert (elsewhere / "kept").exists()


def test_shards_that_killed_processes_left_are_removed(left):
    form = {"side": 64, "channels": 1, "dtype": "uint8"}
    image = Source("a", TRAIN, (), lambda: (np.zeros((64, 64, 1), np.uint8), None), {})
    (left.parent / TRAIN).mkdir()
    left.rename(left.parent / TRAIN / left.name)
    (left.parent / left.name).touch()
    with Writer(str(left.parent), form, {}, 64) as writer:
        writer.add(image)
    assert {path.name for path in left.parent.rglob("*")} == {TRAIN, "a.tfrecord", MANIFEST}


@pytest.mark.parametrize("length", [247, 255])
def test_long_names_and_failures(length, tmp_path):
    target = tmp_path / ("x" * (length - 4) + ".tif")
    files.write_json(target, 1)
    assert target.read_text() == "1\n"
    with pytest.raises(TypeError, match="not JSON serializable"):
        files.write_json(target, object())
    assert target.read_text() == "1\n"
    assert list(tmp_path.iterdir()) == [target]


def test_links_are_followed_and_circles_and_dangling_ones_listed(tmp_path, caplog):
    given, other = tmp_path / "given", tmp_path / "other"
    for folder in (given, other):
        folder.mkdir()
    for name in (other / "a.png", other / "._a.png"):
        name.touch()
    (given / "link").symlink_to(other)
    (given / "circle").symlink_to(given)
    (given / "gone.png").symlink_to("nowhere")
    assert list(find_files([str(given)], "--data")) == [str(given / "link" / "a.png")]
    assert caplog.text.count("circle: passed over") == 1
    assert "gone.png: passed over: a link to nothing" in caplog.text


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_names_that_are_not_utf8_are_shown_escaped(encoding, models, tmp_path, monkeypatch):
    folder, output = tmp_path / "d\udce9", tmp_path / "out"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    for name in ("a", "caf\udce9"):
        (folder / f"{name}.png").write_bytes(imagecodecs.png_encode(pixels))
    (folder / "bad\udce9.png").write_bytes(b"\x89PNG")
    shown, model = io.TextIOWrapper(io.BytesIO(), encoding), models("identity 3")
    monkeypatch.setattr(sys, "stdout", shown)
    assert main(["denoise", model, str(folder), "--output", str(output)]) == 1  # one is broken
    assert (output / "caf\udce9.png").exists()
    prepare = ["prepare", "images", str(folder), "--crop-size", "64", "--step", "64", "--output"]
    assert main([*prepare, str(tmp_path / "shards")]) == 0
    scores = ["evaluate", model, "--noise", "gaussian", "--output", str(tmp_path / "scores"), "--data"]
    assert main([*scores, str(folder)]) == 0
    shown.flush()
    said = shown.buffer.getvalue().decode(encoding)
    assert "caf\\udce9.png" in said
    assert "bad\\udce9.png: not a PNG" in said
    assert "| d\\udce9 |" in (tmp_path / "scores" / "table.md").read_text(encoding="utf-8")
    assert "d\\udce9," in (tmp_path / "scores" / "scores.csv").read_text(encoding="utf-8")


def test_a_metamorph_stack_is_refused(tmp_path):
    path = tmp_path / "a.stk"
    tags = [(33629, 5, 5, (1,) * 10, True), (33628, 5, 1, (1, 1), True)]
    tifffile.imwrite(path, np.zeros((8, 9), np.uint8), metadata=None, extratags=tags)
    with pytest.raises(UnusableImageError, match="MetaMorph"):
        pages(path)


def chain(count, circle):
    """A TIFF of so many pages, which share their pixels; the last leads to the first if they form a circle."""
    tags = [(256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 8), (279, 64)]
    entries = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in tags)
    size, first = len(entries) + 4, 72
    following = [*range(first + size, first + count * size, size), first if circle else 0]
    return struct.pack("<4sI64x", b"II*\0", first) + b"".join(entries + struct.pack("<I", each) for each in following)


@pytest.mark.parametrize(("count", "circle"), [(MOST_PAGES + 1, False), (100_000, False), (2, True), (200, True)])
def test_too_many_pages_are_refused_at_once(count, circle, tmp_path):
    (tmp_path / "a.tif").write_bytes(chain(count, circle))
    began = time.monotonic()
    with pytest.raises(UnusableImageError, match=r"32768 pages|circular"):  # by tifffile itself
        pages(tmp_path / "a.tif")
    assert time.monotonic() - began < 5


def test_many_pages_are_read(tmp_path):
    (tmp_path / "a.tif").write_bytes(chain(1000, False))
    assert len(pages(tmp_path / "a.tif")) == 1000
