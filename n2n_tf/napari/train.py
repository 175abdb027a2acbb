"""The panel that trains on a layer."""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
from magicgui.widgets import CheckBox, ComboBox, Container, FileEdit, SpinBox, TextEdit
from napari.layers import Layer
from napari.utils.notifications import show_warning

from n2n_tf.data.planes import Planes
from n2n_tf.napari import MINUTES, NOTHING, STEPS, layers, models
from n2n_tf.napari.job import Job
from n2n_tf.napari.model_row import ModelRow
from n2n_tf.napari.panel import Panel

USUAL = 5  # minutes


class Train(Panel):
    """Train a denoiser on the noisy planes of a layer; the run directory is one as any."""

    def __init__(self, napari_viewer: Any):
        self.start = ModelRow("Start from", ("nothing, a new network", NOTHING))
        self.amount, self.unit = SpinBox(value=USUAL, min=1, max=10**6), ComboBox(choices=[MINUTES, STEPS])
        length = Container(widgets=[self.amount, self.unit], layout="horizontal", labels=False, label="For")
        length.margins = (0, 0, 0, 0)
        self.folder = FileEdit(label="Runs go to", mode="d", value=Path.home() / "n2n_tf-runs")
        self.preview = CheckBox(label="", text="preview of the plane that is shown", value=True)
        super().__init__(napari_viewer, "Train", self.start, length, self.folder, self.preview)
        self.log = TextEdit(visible=False)
        self.log.native.setReadOnly(True)
        self.append(self.log)
        napari_viewer.dims.events.current_step.connect(self._look)

    def begin(self) -> Job:
        layer = self.chosen
        self._layer, self._planes, self._shown = layer, layers.planes_of(layer, self.axis.value), None
        self._output = str(Path(self.folder.value).expanduser() / time.strftime("%Y%m%d-%H%M%S"))
        task = {
            "do": "train", "name": layers.called(layer), "output": self._output, "preview": self.preview.value,
            "start": models.fitting(self.start.model, self._planes.shape[2]), "amount": self.amount.value,
            "unit": self.unit.value, "number": self._number(),
        }  # fmt: skip
        self.log.value = ""
        self.log.visible = True
        return Job("training", self._planes, task, self.hear)

    def hear(self, kind: str, *given: Any) -> None:
        if kind == "epoch":
            self._epoch(*given)
        super().hear(kind, *given)

    def said(self, level: int, text: str) -> None:
        self.log.native.append(text)
        if level >= logging.WARNING:
            show_warning(f"n2n_tf: {text}")

    def done(self, result: Any) -> None:
        models.name(self._output)
        kept = " Nothing was better than the start, which it holds." if result.get("kept_start") else ""
        self.words.value = f"Done: {self._output}, which “Denoise a layer” takes next.{kept}"

    def _epoch(self, number: int, scores: dict[str, float], plane: np.ndarray | None) -> None:
        psnr = scores.get("val_estimated_psnr")
        told = f"estimated PSNR {psnr:.2f} dB" if psnr else f"reconstruction {scores['val_reconstruction']:.4g}"
        self.said(logging.INFO, f"epoch {number}: {told}")
        if plane is not None:
            self._show(layers.spread(self._planes, plane), f"{self._layer.name} preview")

    def _show(self, data: np.ndarray, name: str) -> None:
        """In one layer, as long as that is there."""
        if self._shown is not None and self._shown in self.viewer.layers:
            self._shown.data = data
        else:
            self._shown = self.viewer.add_layer(Layer.create(*layers.beside(self._layer, data, name)))

    def _number(self) -> int:
        return layers.number_at(self._planes, self._layer, self.viewer.dims.point[-self._layer.ndim :])

    def _look(self, *_: Any) -> None:
        if self.job:
            self.job.look(self._number())

    _planes: Planes
