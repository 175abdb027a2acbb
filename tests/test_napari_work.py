"""What napari's plugin does without napari: layers as planes, and the worker's side of the line."""

import ast
import configparser
import multiprocessing
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from n2n_tf.config import StoppedError, UsageError
from n2n_tf.data.planes import Planes
from n2n_tf.napari import OWN, STEPS, layers, work
from n2n_tf.napari.link import Link, Remote
from n2n_tf.training.settings import NetworkSettings
from tests import runs
from tests.runs import ROOT
from tests.scenes import blurred, gaussian, scene

yaml = pytest.importorskip("yaml")
NOISY = np.uint16([500 + 1000 * gaussian(scene(1, (128, 192))[..., 0], 25, seed) for seed in range(2)])


class Napari:
    """The other end: answers what is asked of an array, and keeps what is told."""

    def __init__(self, array, stops_at="never", leaves_at="never"):
        self.array, self.stops_at, self.leaves_at, self.told = array, stops_at, leaves_at, []
        self.line, theirs = multiprocessing.Pipe()
        self.link = Link(theirs)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                kind, *given = self.line.recv()
            except (EOFError, OSError, TypeError):  # the last where it is closed meanwhile
                return
            self.told.append((kind, *given))
            if kind == self.leaves_at:
                self.line.close()
                return
            if kind == self.stops_at:
                self.line.send(("stop", None))
            if kind == "read":
                self.line.send(("answer", self.array[given[0]]))

    def planes(self, channels=None):
        return Planes(Remote(self.link, self.array.shape, self.array.dtype.str), channels)

    def of(self, kind):
        """What was told so far, all of it."""
        mark = time.monotonic()
        self.link.tell("mark", mark)
        end = time.monotonic() + 10
        while ("mark", mark) not in self.told and time.monotonic() < end:
            time.sleep(0.01)
        return [given for each, *given in self.told if each == kind]


@pytest.fixture
def small(two_layers, tmp_path, monkeypatch):
    """A .keras file of a network that can be trained in no time; telling which it is takes 10 s, as all are built."""
    path = tmp_path / "small.keras"
    runs.two_layers(1).save(path)
    monkeypatch.setattr(work, "name_of", lambda network: ("two_layers", 4))
    return str(path)


def layer(data, rgb=False, **more):
    return SimpleNamespace(data=data, rgb=rgb, multiscale=isinstance(data, list), name="cells", **more)


@pytest.mark.parametrize(
    ("given", "axes"),
    [
        (layer(np.zeros((40, 50))), [-1]),
        (layer(np.zeros((9, 3, 40, 50)), axis_labels=("t", "c", "y", "x")), [-1, 0, 1]),
        (layer(np.zeros((30, 40, 50))), [-1]),
        (layer(np.zeros((40, 50, 4)), rgb=True), [2]),
        (layer([np.zeros((3, 40, 50)), np.zeros((3, 20, 25))]), [-1, 0]),
        (None, [-1]),
    ],
    ids=["plane", "times and channels", "depths", "RGBA", "resolutions", "no layer"],
)
def test_axes_that_may_be_channels(given, axes):
    assert [axis for _, axis in layers.channel_axes(given)] == axes


def test_alpha_stays_as_it_was():
    pytest.importorskip("psutil", reason="psutil, which comes with napari, tells how much memory is free")
    image = np.random.default_rng(0).integers(0, 255, (6, 7, 4), np.uint8)
    planes = layers.planes_of(layer(image, rgb=True), 2)
    target = layers.room(planes, "layer cells")
    planes.write(target, 0, np.zeros((6, 7, 3), np.uint8))
    np.testing.assert_array_equal(target[..., 3], image[..., 3])
    assert planes.shape == (6, 7, 3)
    assert not target[..., :3].any()


def test_a_result_beyond_memory_is_refused_before_anything_is_read():
    pytest.importorskip("psutil", reason="psutil, which comes with napari, tells how much memory is free")
    huge = SimpleNamespace(shape=(10**6, 10**4, 10**4), dtype=np.dtype(np.uint8))
    with pytest.raises(UsageError, match=r"layer cells: the result takes 100000\.0 GB, .* n2n-tf denoise MODEL FILE"):
        layers.room(layers.planes_of(layer(huge), -1), "layer cells")


def test_what_is_no_image_is_refused():
    with pytest.raises(UsageError, match="layer cells: its pixels are bool; wanted integers or floats"):
        layers.planes_of(layer(np.zeros((4, 5), bool)), -1)
    with pytest.raises(UsageError, match="layer cells: is one line of pixels"):
        layers.planes_of(layer(np.zeros(4)), -1)


def test_a_preview_is_held_once_and_shown_at_every_place():
    array = np.zeros((5, 2, 6, 7), np.uint16)
    plane = np.arange(2 * 6 * 7, dtype=np.uint16).reshape(6, 7, 2)
    shown = layers.spread(Planes(array, 1), plane)
    assert shown.shape == array.shape
    assert len({each.__array_interface__["data"][0] for each in shown}) == 1
    np.testing.assert_array_equal(shown[3], np.moveaxis(plane, -1, 0))


@pytest.mark.parametrize(
    ("axis", "point", "number"), [(-1, (2.2, 0.6, 9, 9), 7), (1, (2.2, 0.6, 9, 9), 2), (-1, (-9, 99, 0, 0), 2)]
)
def test_the_plane_that_is_shown(axis, point, number):
    data = np.zeros((4, 3, 8, 9))
    given = layer(data, world_to_data=np.array)
    assert layers.number_at(layers.planes_of(given, axis), given, point) == number


def test_denoises_what_lies_in_the_other_process(models):
    array = np.random.default_rng(0).integers(0, 255, (2, 3, 40, 50), np.uint8)
    napari = Napari(array)
    work.denoise(napari.link, napari.planes(1), models("negative 3"), OWN, False)
    planes = dict(napari.of("plane"))
    assert sorted(planes) == [0, 1]
    for number, plane in planes.items():
        np.testing.assert_array_equal(plane, np.moveaxis(255 - array[number], 0, -1))
    shares = [share for share, _ in napari.of("progress")]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_stop_ends_between_planes(models):
    napari = Napari(np.zeros((50, 40, 50), np.uint8), stops_at="plane")
    with pytest.raises(StoppedError):
        work.denoise(napari.link, napari.planes(), models("identity 1"), OWN, False)
    assert 1 <= len(napari.of("plane")) < 50


def test_a_model_for_other_channels_is_refused(models):
    napari = Napari(np.zeros((2, 5, 40, 50), np.uint8))
    with pytest.raises(ValueError, match="this network takes"):
        work.denoise(napari.link, napari.planes(1), models("identity 3"), OWN, False)
    assert not napari.of("read")


def test_who_has_gone_stops_the_work(models):
    napari = Napari(np.zeros((2, 40, 50), np.uint8))
    napari.line.close()
    with pytest.raises(StoppedError):
        work.denoise(napari.link, napari.planes(), models("identity 1"), OWN, False)
    assert napari.link.task() is None
    for _ in range(2):  # threads of a pipeline, say: none waits for ever
        with pytest.raises(StoppedError, match="napari has gone"):
            napari.link.read((0,))


def test_a_run_goes_on_to_its_report_when_who_looks_on_has_gone(small, tmp_path):
    napari = Napari(NOISY, leaves_at="epoch")
    work.train(napari.link, napari.planes(), "layer cells", small, 10**6, STEPS, str(tmp_path / "run"), True, 0)
    assert {"denoiser.keras", "report.json"} <= {path.name for path in (tmp_path / "run").iterdir()}
    assert napari.link.gone


@pytest.mark.parametrize(("noisy", "fits"), [(gaussian, True), (blurred, False)])
def test_inspects(noisy, fits):
    napari = Napari(np.float32([noisy(scene(1)[..., 0], 25, seed) for seed in range(2)]))
    told, found = work.inspect(napari.link, napari.planes(), "layer cells")
    assert found is fits
    assert [title for title, _ in told] == ["images", "noise", "neighbours", "artefacts", "verdict", "next"]


def test_trains_until_it_is_stopped(small, tmp_path):
    napari = Napari(NOISY, stops_at="epoch")
    output = tmp_path / "run"
    report = work.train(
        napari.link, napari.planes(), "layer cells", small, 10**6, STEPS, str(output), preview=True, number=1
    )
    epochs = napari.of("epoch")
    number, _, shown = epochs[0]
    assert (number, shown.shape, shown.dtype) == (1, (128, 192, 1), np.uint16)
    assert napari.of("progress")[-1][0] < 0.01
    assert (report["data"], report["denoiser"]) == (["layer cells"], str(output / "denoiser.keras"))
    again = Napari(NOISY)
    work.denoise(again.link, again.planes(), str(output), OWN, False)
    assert len(again.of("plane")) == 2


def test_so_many_steps_are_done(small, tmp_path):
    napari = Napari(NOISY)
    work.train(napari.link, napari.planes(), "layer cells", small, 3, STEPS, str(tmp_path / "run"), False, 0)
    assert [(number, shown) for number, _, shown in napari.of("epoch")] == [(1, None)]
    assert (tmp_path / "run" / "checkpoints" / "step-3.index").exists()


def test_start_is_told_as_the_settings_are(small):
    assert work._start("nothing") == {}
    told = work._start(small)
    assert set(told) <= {*NetworkSettings.__dataclass_fields__, "range"}
    assert (told["weights"], told["network"], told["features"]) == (small, "two_layers", 4)


def commands():
    told = yaml.safe_load((ROOT / "n2n_tf" / "napari" / "napari.yaml").read_text(encoding="utf-8"))
    return told["contributions"]["commands"]


@pytest.mark.parametrize("command", commands(), ids=lambda command: command["id"])
def test_the_manifest_names_what_is_there(command):
    module, name = command["python_name"].split(":")
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    assert [argument.arg for argument in found[0].body[1].args.args] == ["self", "napari_viewer"]


def test_the_entry_point_names_the_manifest():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    name, place = setup["options.entry_points"]["napari.manifest"].strip().split(" = ")
    module, file = place.split(":")
    assert re.fullmatch(r"[\w.]+", file)  # what setuptools takes
    path = Path(module.replace(".", "/"), file)
    told = yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))
    assert told["name"] == name == setup["metadata"]["name"]
    assert str(path.relative_to("n2n_tf")) in setup["options.package_data"]["n2n_tf"].split(", ")


def test_what_the_window_imports_loads_no_tensorflow():
    program = (
        "import sys; from n2n_tf.data import planes; from n2n_tf.napari import layers, models; "
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True).stdout == "set()\n"
