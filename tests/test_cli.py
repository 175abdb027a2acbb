import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from PIL import Image

from n2n_tf.cli.flags import in_flags
from n2n_tf.cli.main import COMMANDS, main
from n2n_tf.config import gist, named
from n2n_tf.networks import NETWORKS
from n2n_tf.training.config import Config
from n2n_tf.training.rundir import RunDirectory
from tests.runs import ROOT, two_layers

TINY = ["--features", "4", "--patch-size", "64", "--batch-size", "2", "--epochs", "1", "--steps-per-epoch", "2"]


def train(*arguments):
    """Exit status of `n2n-tf train`; argparse leaves by SystemExit, as it does on the command line."""
    try:
        return main(["train", *TINY, "--noise", "gaussian", *map(str, arguments)])
    except SystemExit as leaving:
        return leaving.code


@pytest.fixture
def quickly(monkeypatch):
    """Flags of a run whose graphs are made in no time."""
    monkeypatch.setitem(NETWORKS, "two_layers", two_layers)
    return ["--network", "two_layers"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sgima", "25"], "unrecognized arguments: --sgima 25; did you mean --sigma?"),
        (
            ["--noise", "gausian"],
            "--noise: 'gausian' is not known; wanted one of camera, gaussian, none, poisson; did you",
        ),
        (["--sigma", "-5"], "--sigma -5.0: wanted above 0 and at most 2550"),
        (["--sigma", "loud"], "argument --sigma: invalid float value: 'loud'"),
        (["--patch-size", "100"], "--patch-size 100: wanted a multiple of 64"),
        (
            ["--network", "unit"],
            "wanted one of blindspot_unet, dbsnl, dncnn, residual_unet, rrg, unet; did you mean 'unet'?",
        ),
        (["--init", "zero"], "init: 'zero' is not known; wanted one of authors, default"),
        (["--method", "noise2vide"], "--method: 'noise2vide' is not known; wanted one of blind2unblind, dbsn,"),
        (["--optimizer", "adamm"], "did you mean 'adam'?"),
        (["--gamma-schedule", "rampe"], "argument --gamma-schedule: invalid choice: 'rampe'"),
        (["--strategy", "all"], "argument --strategy: invalid choice: 'all'"),
        (["--preset", "slow"], "argument --preset: invalid choice: 'slow'"),
        (["--config", "missing.toml"], "--config missing.toml: cannot be read: No such file or directory"),
        (["--data", "nowhere"], "--data nowhere: no such folder or file"),
        (["--resume"], "--resume: name the run with --output DIR"),
        (["--resume", "--output", "nowhere"], "--resume --output nowhere: holds no run"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_status_2_and_writes_nothing(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_a_flag_of_another_command_is_not_what_was_meant(capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "blind", "--data", "x", "--overwrite"])
    error = capsys.readouterr().err
    assert "n2n-tf evaluate: error: unrecognized arguments: --overwrite" in error
    assert "did you mean --overwrite" not in error


@pytest.mark.parametrize("kind", ["empty folder", "text files", "too small", "all truncated", "gray"])
def test_no_usable_image_is_status_1_with_each_reason(kind, capsys, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    if kind == "text files":
        (folder / "notes.txt").write_text("hello")
        (folder / "notes.png").write_text("hello")
    elif kind != "empty folder":
        size = 32 if kind == "too small" else 128
        Image.effect_noise((size, size), 50).convert("L" if kind == "gray" else "RGB").save(folder / "image.png")
    if kind == "all truncated":
        (folder / "image.png").write_bytes((folder / "image.png").read_bytes()[:5000])
    assert train("--data", folder, "--output", tmp_path / "run") == 1
    error = capsys.readouterr().err
    expected = {
        "empty folder": "no file with the suffix of an image",
        "text files": "not a PNG, JPEG, BMP, GIF, WebP, TIFF, camera raw, Zeiss CZI",
        "too small": "32×32 pixels, smaller than the 64×64 needed",
        "all truncated": "cannot be decoded",
        "gray": "1 channel(s), wanted 3; train with --channels 1 for such images",
    }
    assert expected[kind] in error
    assert "Traceback" not in error


def test_a_truncated_image_among_good_ones_is_skipped_and_listed(photos, quickly, capsys, tmp_path):
    cut = photos / "cut.png"
    Image.effect_noise((128, 128), 50).convert("RGB").save(cut)
    cut.write_bytes(cut.read_bytes()[:5000])
    assert train(*quickly, "--data", photos, "--steps-per-epoch", 20, "--output", tmp_path / "run") == 0
    out, error = capsys.readouterr()
    assert error.count("1 files were skipped:") == 1
    assert f"{cut}: cannot be decoded" in error
    assert "held-out images: noisy 20." in out
    assert f"before and after: {tmp_path}/run/samples/before_after.png" in out


def test_an_output_with_a_run_is_refused(photos, quickly, capsys, tmp_path):
    assert train(*quickly, "--data", photos, "--output", tmp_path / "run") == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    assert train(*quickly, "--data", photos, "--output", tmp_path / "run") == 2
    assert "holds a run already; continue it with --resume" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == before


def test_an_output_that_cannot_be_written(photos, capsys, tmp_path):
    (tmp_path / "file").touch()
    assert train("--data", photos, "--output", tmp_path / "file") == 2
    assert "is a file; name a directory" in capsys.readouterr().err
    assert train("--data", photos, "--output", tmp_path / "file" / "run") == 1
    assert "Not a directory" in capsys.readouterr().err
    locked = Path("/sys/n2n_tf")  # refused even to root
    if not locked.parent.is_dir():
        pytest.skip("only Linux has a folder where nobody may write")
    assert train("--data", photos, "--output", locked) == 1
    assert re.search("Permission denied|not permitted|Read-only", capsys.readouterr().err)


def test_a_full_disk_is_one_line(photos, tmp_path):
    """A limit on the size of files stands in for the disk."""
    pytest.importorskip("resource", reason="the limit is the operating system's")
    program = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
from n2n_tf.cli.main import main
sys.exit(main({["train", *TINY, "--noise", "gaussian", "--data", str(photos), "--output", str(tmp_path / "run")]}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "File too large" in done.stderr
    assert not (tmp_path / "run" / "denoiser.keras").exists()


def test_help_shows_every_default(capsys):
    assert train("--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    for field in named(Config).values():
        assert f"--{field.name.replace('_', '-')} " in text
        if field.default not in (None, (), ""):
            value = field.default if isinstance(field.default, tuple) else (field.default,)
            shown = " ".join(in_flags(field.metadata["help"]).replace("%%", "%").split())
            assert f"{shown} (default: {' '.join(map(str, value))})" in text


def test_images_that_all_break_during_the_run_are_one_error(photos, quickly, capsys, tmp_path, monkeypatch):
    """Inside tf.data TensorFlow makes an exception of its own of it."""

    def create_and_break(directory, *arguments):
        create(directory, *arguments)
        for path in photos.iterdir():
            path.write_bytes(b"")

    create = RunDirectory.create
    monkeypatch.setattr(RunDirectory, "create", create_and_break)
    assert train(*quickly, "--data", photos, "--output", tmp_path / "run") == 1
    error = capsys.readouterr().err
    assert "error: none of the images can be read" in error
    assert "00.jpg: the file is empty" in error
    assert "Traceback" not in error


def test_the_gist_of_a_tensorflow_error():
    path = tf.constant("/nowhere/at/all")
    for read in (tf.io.read_file, tf.function(tf.io.read_file)):
        with pytest.raises(tf.errors.NotFoundError) as caught:
            read(path)
        assert gist(caught.value).startswith("NotFoundError: /nowhere/at/all; No such file")


def test_train_py_is_the_command_and_the_module_works():
    for command in (["train.py"], ["-m", "n2n_tf", "train"]):
        done = subprocess.run([sys.executable, *command, "--sigma", "-1"], capture_output=True, text=True, cwd=ROOT)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.endswith("--sigma -1.0: wanted above 0 and at most 2550\n")


def test_every_command_has_help(capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(name in text and command.HELP in text for name, command in COMMANDS.items())
