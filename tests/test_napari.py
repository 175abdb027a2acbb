"""The plugin in a real window of napari, with pictures of it in the test's folder. Without napari this skips: heavy.

`pip install -e .[test,napari] 'napari[pyqt6]'`, and on a machine without a display Debian's xvfb, libegl1,
libxkbcommon-x11-0, libxcb-cursor0; then `python -m pytest tests/test_napari.py`.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import negative
from tests.runs import ROOT

if not importlib.util.find_spec("napari"):
    pytest.skip("napari is not here: pip install -e .[napari] 'napari[pyqt6]'", allow_module_level=True)
if not os.environ.get("DISPLAY") and not shutil.which("xvfb-run"):
    pytest.skip("no display, and no xvfb-run for one: apt-get install xvfb", allow_module_level=True)
FRAME = [] if os.environ.get("DISPLAY") else ["xvfb-run", "-a", "-s", "-screen 0 1600x1400x24"]


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    """The folder of a window that has been through all of it; and what it told."""
    folder = tmp_path_factory.mktemp("napari")
    for channels in (1, 3):
        negative(channels).save(folder / f"negative{channels}.keras")
    (folder / "broken.keras").write_text("no zip")
    program = [*FRAME, sys.executable, "-m", "tests.napari_window", str(folder)]
    ended = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return folder, json.loads((folder / "told.json").read_text())


@pytest.fixture(scope="module")
def told(window):
    return window[1]


def test_starts_without_tensorflow(told):
    assert told["no_tensorflow"]


def test_a_denoised_layer_lies_where_the_noisy_one_did(told):
    assert (told["denoised"], told["messages"]) == (
        "Done, by blind_gray: “cells denoised”. Its eye shows and hides it.",
        [],
    )
    assert (told["dtype"], told["shape"]) == ("uint16", [3, 128, 192])
    assert told["same"] == ["scale", "translate", "units", "axis_labels", "contrast_limits"]
    assert (told["colormap"], told["metadata"]) == ("magma", {"own": 1, "n2n_tf": {"model": "blind_gray"}})
    noisy, denoised = told["errors"]
    assert denoised < 0.6 * noisy  # a third of the scene is texture like noise


@pytest.mark.parametrize(("name", "axes"), [("rgba", [2]), ("five", [-1, 0, 1]), ("lazy", [-1, 0]), ("levels", [-1])])
def test_layers_of_other_kinds(told, name, axes):
    found = told["kinds"][name]
    assert found["inverse"], found
    assert found["axes"] == axes
    assert any("several resolutions: the full one" in each for each in found["messages"]) == (name == "levels")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mask", "layer mask: its pixels are bool; wanted integers or floats: convert its type"),
        ("gone", "the layer cannot be read: RuntimeError: the disk has gone"),
        ("broken", r".*broken.keras: not a .keras file; `n2n-tf convert` reads .weights.h5 and .pth files"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(told, name, message):
    _, messages = told["refused"][name]
    assert len(messages) == 1
    assert re.fullmatch(message, messages[0])


def test_inspects(told):
    words, messages, text = told["inspected"]
    assert (words, messages, told["read_only"]) == ("", [], True)
    sigma = float(re.search(r"Gaussian, the same at every brightness: σ ([\d.]+)", text)[1])
    assert sigma == pytest.approx(1000 * 25 / 255, rel=0.05)
    assert "the method fits" in text
    assert "“Train on a layer”" in text


def test_trains_with_a_preview_until_it_is_stopped(told):
    found = told["trained"]
    assert found["began"]
    assert found["stopped"]
    assert found["preview"] == [[3, 128, 192], 3 * 128 * 192 * 2, "uint16"]
    noisy, preview = found["errors"]
    assert preview < 0.7 * noisy
    assert {"config.json", "denoiser.keras", "report.json", "history.csv"} <= set(found["run"])
    assert found["config"]["method"] == "neighbor2neighbor"
    assert "epoch 1: estimated PSNR" in found["log"]
    assert found["second"] == ["n2n_tf is training: wait for its end, or stop it", True]


def test_what_was_trained_denoises_next(told):
    found = told["trained"]
    assert found["chosen"]
    assert found["used"][0].startswith("Done, by 2")
    assert found["denoised"] < 0.6 * found["errors"][0]


def test_a_worker_that_is_killed_is_told_of_and_replaced(told):
    ended, words, messages = told["killed"]
    assert ended
    assert messages == ["its process was ended by SIGKILL: memory ran out?"]
    assert words == f"Failed: {messages[0]}"
    assert told["again"] == [True, True, "Stopped."]


def test_a_run_outlives_the_window(told):
    began, run, ended = told["closed"]
    assert (began, ended) == (True, True)
    until = time.monotonic() + 60
    while not Path(run, "report.json").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert {"denoiser.keras", "report.json"} <= set(os.listdir(run))


def test_the_window_shows_something(window):
    for name in ("inspected", "training", "trained"):
        with Image.open(window[0] / f"{name}.png") as picture:
            assert picture.width > 1000
            assert len(set(picture.convert("L").resize((64, 64)).tobytes())) > 30


def test_npe2_takes_the_manifest():
    program = [sys.executable, "-m", "npe2", "validate", str(ROOT / "n2n_tf" / "napari" / "napari.yaml")]
    ended = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "valid" in ended.stdout
