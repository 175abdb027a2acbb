"""Planes of an array: which pixels they are, and training on them while somebody looks on."""

import json

import numpy as np
import pytest

from n2n_tf.config import RunError, UsageError
from n2n_tf.data.arrays import arrays
from n2n_tf.data.planes import Planes
from n2n_tf.inference import Denoiser, load_denoiser
from n2n_tf.tasks.inspect import inspect_source
from n2n_tf.training.begin import resume, train
from n2n_tf.training.presets import build_config
from n2n_tf.training.stages import TEACHER
from n2n_tf.training.watching import Watch
from tests.runs import SMALL, rows, saved_steps
from tests.scenes import blurred, gaussian, scene

SHAPE = 2, 3, 4, 5, 6
BLACK, UNITS = 500, 1000  # of 16-bit stacks: what is dark, and what a brightness of 1 adds


@pytest.mark.parametrize(
    ("axis", "colors", "number", "wanted"),
    [
        (None, 0, 7, lambda a: a[0, 1, 3, :, :, None]),
        (0, 0, 5, lambda a: np.stack([a[0, 1, 1], a[1, 1, 1]], -1)),
        (2, 3, 4, lambda a: np.stack([a[1, 1, 0], a[1, 1, 1], a[1, 1, 2]], -1)),
        (4, 0, 5, lambda a: a[1, 2]),
        (4, 3, 5, lambda a: a[1, 2, :, :, :3]),
    ],
    ids=["gray", "first axis", "some of a middle axis", "last axis", "some of the last axis"],
)
def test_planes_are_those_of_the_axes(axis, colors, number, wanted):
    array = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    planes, whole = Planes(array, axis, colors), wanted(array)
    assert planes.shape == whole.shape
    np.testing.assert_array_equal(planes.read(number), whole)
    np.testing.assert_array_equal(planes.read(number, slice(1, 3), slice(0, 4)), whole[1:3, 0:4])
    target = np.full_like(array, -1)
    for each, plane in enumerate(planes):
        planes.write(target, each, plane)
    taken = np.ones(SHAPE, bool)
    if colors:
        np.moveaxis(taken, axis, 0)[colors:] = False
    np.testing.assert_array_equal(target, np.where(taken, array, -1))


@pytest.mark.parametrize(("shape", "axis"), [((9,), None), ((3, 9), 0), ((0, 9, 9), None), ((3, 9, 9), 1)])
def test_other_axes_are_refused(shape, axis):
    with pytest.raises(UsageError, match="wanted"):
        Planes(np.zeros(shape), axis)


class Counted:
    """An array that counts what is read of it."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.most = array, array.shape, array.dtype, 0

    def __getitem__(self, place):
        found = self.array[place]
        self.most = max(self.most, found.size)
        return found


def test_of_a_large_plane_only_windows_are_read():
    array = Counted(np.random.default_rng(0).integers(0, 99, (2, 1500, 1600), np.uint16))
    source = arrays(Planes(array), "a stack")
    source.value_range = None
    assert source.read(1)[0].shape == (512, 512, 1)
    window, number = source.read(1, 64, (5, 7))
    np.testing.assert_array_equal(window[..., 0], array.array[1, 5:69, 7:71].astype(np.float32) / np.float32(65535))
    assert (number, [each.shape for each in source.samples(5)]) == (1, [(3 * 512, 512, 1)] * 2)  # as of OME-Zarr
    assert array.most == 512**2


def test_blank_windows_are_passed_over():
    array = np.zeros((1, 200, 200), np.float32)
    array[0, :, 100:] = np.random.default_rng(0).random((200, 100))
    source = arrays(Planes(array), "a mosaic of views")
    assert np.ptp(source.read(0, 64, (3, 3))[0]) > 0
    assert np.ptp(array[0, 3:67, 3:67]) == 0


def stack(noisy, count=4):
    """[count, H, W], uint16."""
    clean = scene(1)[..., 0]
    return np.uint16([BLACK + UNITS * noisy(clean, 25, seed) for seed in range(count)])


def config(**settings):
    told = {"data": ["layer cells"], "noise": "none", "channels": 1, "kind": "gray", **SMALL, **settings}
    return build_config(told)


class Told(Watch):
    """Writes down what it was told, and stops after a step."""

    def __init__(self, last=10**9, probe=None):
        super().__init__()
        self.last, self.probe, self.steps, self.epochs, self.denoised = last, probe, [], [], []

    def step(self, done, steps):
        self.steps.append((done, steps))
        if done == self.last:
            self.stop()

    def epoch(self, number, scores, denoise):
        self.epochs.append((number, scores))
        self.denoised.append(denoise(self.probe))


def test_trains_on_planes_while_somebody_looks_on(two_layers, tmp_path):
    array = stack(gaussian)
    watch = Told(probe=array[0])
    report = train(config(), tmp_path / "run", images=arrays(Planes(array), "layer cells"), watch=watch)
    assert watch.steps == [(step, 12) for step in range(1, 13)]
    assert [number for number, _ in watch.epochs] == [1, 2]
    assert [float(row["val_reconstruction"]) for row in rows(tmp_path / "run")] == pytest.approx(
        [scores["val_reconstruction"] for _, scores in watch.epochs], rel=1e-6
    )
    assert (report["data"], report["training_images"]) == (["layer cells"], 4)
    low, high = report["value_range"]
    assert BLACK - 0.4 * UNITS < low < BLACK < high < BLACK + 1.4 * UNITS
    best = min(range(2), key=lambda epoch: -watch.epochs[epoch][1]["val_estimated_psnr"])
    again = Denoiser(load_denoiser(tmp_path / "run"))(array[0])  # in the stack's own units
    np.testing.assert_array_less(np.abs(again.astype(int) - watch.denoised[best]), 2)  # rounded


def test_a_stop_keeps_what_was_reached(two_layers, tmp_path):
    array, watch = stack(gaussian), Told(last=8, probe=np.zeros((64, 64), np.uint16))
    train(config(), tmp_path / "run", images=arrays(Planes(array), "layer cells"), watch=watch)
    assert watch.steps[-1] == (8, 12)
    assert [number for number, _ in watch.epochs] == [1, 2]
    assert max(saved_steps(tmp_path / "run")) == 8
    assert {"denoiser.keras", "report.json", "config.json"} <= {path.name for path in (tmp_path / "run").iterdir()}
    with pytest.raises(RunError, match="layer cells: the images of this run were in memory"):
        resume(tmp_path / "run")


def test_a_stop_in_the_first_of_two_stages_keeps_its_denoiser(two_layers, tmp_path):
    array, watch = stack(blurred), Told(last=3, probe=np.zeros((64, 64), np.uint16))
    report = train(config(), tmp_path / "run", images=arrays(Planes(array), "layer cells"), watch=watch)
    assert [done for done, _ in watch.steps] == [1, 2, 3]
    assert report["denoiser"] == str(tmp_path / "run" / "denoiser.keras")
    assert json.loads((tmp_path / "run" / "report.json").read_text())["denoiser"] == report["denoiser"]
    assert "held-out images: reconstruction" in (tmp_path / "run" / "report.html").read_text()
    first, taken = (load_denoiser(tmp_path / "run" / place).get_weights() for place in (TEACHER, ""))
    for one, other in zip(first, taken, strict=True):
        np.testing.assert_array_equal(one, other)


def test_planes_that_do_not_fit_are_refused(two_layers, tmp_path):
    small = arrays(Planes(np.zeros((2, 40, 50), np.uint8)), "layer small")
    with pytest.raises(UsageError, match="layer small: sides from 40 pixels; wanted 64 at least"):
        train(config(), tmp_path / "run", images=small)
    colours = arrays(Planes(np.zeros((2, 70, 70, 3), np.uint8), 3), "layer colours")
    with pytest.raises(UsageError, match="layer colours: its images have 3 channels; wanted 1"):
        train(config(), tmp_path / "run", images=colours)
    with pytest.raises(UsageError, match="layer waves: its pixels are complex64; wanted integers or floats"):
        arrays(Planes(np.zeros((2, 70, 70), np.complex64)), "layer waves")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("noisy", "fits"), [(gaussian, True), (blurred, False)])
def test_what_inspect_says_of_planes(noisy, fits):
    report = inspect_source(arrays(Planes(stack(noisy)), "layer cells"), config().images)
    assert report.verdict.fits is fits
    if fits:
        assert report.looked.scale.span * report.parts[0].sigma == pytest.approx(UNITS * 25 / 255, rel=0.05)
