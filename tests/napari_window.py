"""A window of napari, and what the panels do there; `python -m tests.napari_window FOLDER` leaves told.json, pictures.

A program of its own: napari's OpenGL and TensorFlow, which the tests' process has, may not live in one.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import dask.array
import napari
import numpy as np
from napari.utils.notifications import notification_manager
from npe2 import PluginManager, PluginManifest
from PIL import Image
from qtpy.QtWidgets import QApplication

import n2n_tf
from n2n_tf.napari.job import Job, Process
from tests.scenes import gaussian, scene

PATIENCE = 120  # seconds
BLACK, UNITS = 500, 1000


def stack(count=3, side=(128, 192)):
    """Noisy planes as a camera writes them."""
    clean = scene(1, side)[..., 0]
    return np.uint16([BLACK + UNITS * gaussian(clean, 25, seed) for seed in range(count)])


class Window:
    """The viewer with the three panels."""

    def __init__(self, folder):
        self.folder, self.told = Path(folder), {}
        manifest = Path(n2n_tf.__file__).parent / "napari" / "napari.yaml"
        manager = PluginManager.instance()
        if "n2n-tf" not in manager:
            manager.register(PluginManifest.from_file(manifest))
        self.viewer = napari.Viewer()
        self.viewer.window._qt_window.resize(1300, 900)

    def panel(self, name):
        return self.viewer.window.add_plugin_dock_widget("n2n-tf", name)[1]

    def wait(self, until=lambda: False, most=PATIENCE):
        end = time.monotonic() + most
        while not until() and time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.01)
        return until()

    def go(self, panel):
        """Press the button and wait for the end; the words that are left, and napari's notifications."""
        before = len(notification_manager.records)
        panel.press()
        assert self.wait(lambda: panel.job is None), "no end"
        return panel.words.value, [each.message for each in notification_manager.records[before:]]

    def picture(self, name):
        self.wait(most=0.5)
        shot = self.viewer.screenshot(canvas_only=False)
        Image.fromarray(shot[..., :3]).save(self.folder / f"{name}.png")

    def tell(self, **told):
        self.told |= told
        (self.folder / "told.json").write_text(json.dumps(self.told))


def started(window):
    noisy = stack()
    layer = window.viewer.add_image(
        noisy, name="cells", scale=(2, 0.5, 0.25), translate=(1, 2, 3), units=("s", "um", "um"),
        contrast_limits=(300, 1700), colormap="magma", metadata={"own": 1}, axis_labels=("t", "y", "x"),
    )  # fmt: skip
    panels = [window.panel(name) for name in ("Denoise a layer", "Train on a layer", "Inspect a layer")]
    window.wait(most=0.5)
    window.tell(no_tensorflow=not {"tensorflow", "keras"} & set(sys.modules))
    return layer, noisy, *panels


def denoised(window, layer, noisy, panel):
    words, messages = window.go(panel)
    result = window.viewer.layers["cells denoised"]
    clean = BLACK + UNITS * scene(1, noisy.shape[1:])[..., 0]
    same = ("scale", "translate", "units", "axis_labels", "contrast_limits")
    window.tell(
        denoised=words, messages=messages, dtype=str(result.data.dtype), shape=result.data.shape,
        errors=[float(np.std(each - clean)) for each in (noisy, result.data)],
        same=[name for name in same if np.array_equal(getattr(layer, name), getattr(result, name))],
        colormap=result.colormap.name, metadata=result.metadata,
    )  # fmt: skip


def kinds(window, panel, identity):
    """Other layers, through a model that gives back what it gets, or inverts it."""
    viewer, random, found = window.viewer, np.random.default_rng(0), {}
    rgba = random.integers(0, 255, (40, 50, 4), np.uint8)
    five = random.random((2, 3, 40, 50), np.float32)
    lazy = dask.array.from_array(random.integers(0, 4000, (3, 64, 80), np.uint16), chunks=(1, 32, 80))
    levels = [random.integers(0, 255, (80, 96), np.uint8), random.integers(0, 255, (40, 48), np.uint8)]
    viewer.add_image(rgba, name="rgba", rgb=True)
    viewer.add_image(five, name="five")
    viewer.add_image(lazy, name="lazy")
    viewer.add_image(levels, name="levels", multiscale=True)
    whole = {"rgba": rgba, "five": five, "lazy": np.asarray(lazy), "levels": levels[0]}
    for name, model, axis in (("rgba", 3, None), ("five", 3, 1), ("lazy", 1, None), ("levels", 1, None)):
        panel.model.take(str(identity[model]))
        panel.layer.value = viewer.layers[name]
        if axis is not None:
            panel.axis.value = axis
        panel.units.value = "dtype"
        words, messages = window.go(panel)
        given = viewer.layers[f"{name} denoised"].data if f"{name} denoised" in viewer.layers else None
        found[name] = {
            "words": words, "messages": messages, "axes": list(panel.axis.choices),
            "inverse": given is not None and bool(np.array_equal(given, inverted(whole[name], name))),
        }  # fmt: skip
        for each in (name, f"{name} denoised"):
            if each in viewer.layers:
                viewer.layers.remove(each)
    window.tell(kinds=found)


def inverted(array, name):
    """What a model that gives 1 - image makes of it."""
    if array.dtype.kind == "f":
        return np.float32(1) - array
    result = np.iinfo(array.dtype).max - array
    if name == "rgba":
        result[..., 3] = array[..., 3]
    return result


def refused(window, panel, broken):
    viewer, found = window.viewer, {}
    viewer.add_image(np.zeros((64, 64), bool), name="mask")
    panel.layer.value = viewer.layers["mask"]
    found["mask"] = window.go(panel)
    viewer.layers.remove("mask")

    def fail(block):
        raise RuntimeError("the disk has gone")

    gone = dask.array.zeros((2, 64, 64), np.uint8, chunks=(1, 64, 64)).map_blocks(
        fail, meta=np.zeros((1, 1, 1), np.uint8)
    )
    layer = napari.layers.Image(np.zeros((2, 64, 64), np.uint8), name="gone")
    viewer.add_layer(layer)
    layer._data = gone
    panel.layer.value = layer
    panel.model.choice.value = ""
    found["gone"] = window.go(panel)
    viewer.layers.remove("gone")
    panel.layer.value = viewer.layers["cells"]
    panel.model.take(str(broken))
    found["broken"] = window.go(panel)
    panel.model.choice.value = ""
    window.tell(refused=found)


def inspected(window, panel):
    panel.layer.value = window.viewer.layers["cells"]
    words, messages = window.go(panel)
    window.tell(
        inspected=[words, messages, panel.report.native.toPlainText()], read_only=panel.report.native.isReadOnly()
    )
    window.picture("inspected")


def trained(window, panel, denoise):
    viewer = window.viewer
    panel.layer.value = viewer.layers["cells"]
    panel.folder.value = window.folder / "runs"
    panel.amount.value, panel.unit.value = 10**5, "steps"
    viewer.dims.set_current_step(0, 2)
    panel.press()
    begun = window.wait(lambda: "cells preview" in viewer.layers)
    preview = viewer.layers["cells preview"] if begun else None
    told = {"began": begun, "preview": begun and [preview.data.shape, preview.data.nbytes, str(preview.data.dtype)]}
    if begun:
        clean = BLACK + UNITS * scene(1, preview.data.shape[1:])[..., 0]
        noisy = viewer.layers["cells"].data
        told["errors"] = [float(np.std(np.asarray(each[2], float) - clean)) for each in (noisy, preview.data)]
    second = window.panel("Denoise a layer")
    second.press()  # while the other is at work
    told["second"] = [notification_manager.records[-1].message, second.job is None]
    window.picture("training")
    panel.press()
    told["stopped"] = window.wait(lambda: panel.job is None)
    run = Path(panel._output)
    told |= {
        "words": panel.words.value, "log": panel.log.native.toPlainText(), "run": sorted(map(str, os.listdir(run))),
        "chosen": denoise.model.model == str(run), "config": json.loads((run / "config.json").read_text())["config"],
    }  # fmt: skip
    denoise.layer.value = viewer.layers["cells"]
    told["used"] = window.go(denoise)
    clean = BLACK + UNITS * scene(1, (128, 192))[..., 0]
    told["denoised"] = float(np.std(viewer.layers["cells denoised [1]"].data - clean))
    window.picture("trained")
    window.tell(trained=told)


def killed(window, panel):
    """The worker goes while it is at work; the next task has a new one."""
    panel.model.choice.value, panel.ensemble.value = "", True
    before = len(notification_manager.records)
    panel.press()
    window.wait(lambda: panel.words.value.startswith("Plane"))
    os.kill(Process.at_work()._process.pid, signal.SIGKILL)
    ended = window.wait(lambda: panel.job is None)
    told = [ended, panel.words.value, [each.message for each in notification_manager.records[before:]]]
    panel.press()
    began = window.wait(lambda: panel.words.value.startswith("Plane"))
    panel.press()
    stopped = window.wait(lambda: panel.job is None)
    window.tell(killed=told, again=[began, stopped, panel.words.value])


def closed(window, panel):
    """Napari is closed while it trains: the run keeps what it reached, see the test."""
    panel.layer.value = window.viewer.layers["cells"]
    panel.press()
    began = window.wait(lambda: panel.words.value.startswith("Step"))
    run = panel._output
    window.viewer.close()
    window.tell(closed=[began, run, window.wait(lambda: Job.running is None, 10)])


def main(folder):
    folder = Path(folder)
    window = Window(folder)
    layer, noisy, denoise, train, inspect = started(window)
    denoised(window, layer, noisy, denoise)
    inspected(window, inspect)
    kinds(window, denoise, {count: folder / f"negative{count}.keras" for count in (1, 3)})
    refused(window, denoise, folder / "broken.keras")
    trained(window, train, denoise)
    killed(window, denoise)
    closed(window, train)


if __name__ == "__main__":
    main(sys.argv[1])
