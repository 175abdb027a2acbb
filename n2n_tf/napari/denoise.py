"""The panel that denoises a layer."""

from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, ComboBox
from napari.layers import Layer
from napari.utils.notifications import show_info

from n2n_tf.napari import OWN, layers, models
from n2n_tf.napari.job import Job
from n2n_tf.napari.model_row import ModelRow
from n2n_tf.napari.panel import Panel

TYPE, LIMITS = "dtype", "limits"
UNITS = (
    ("the model's own, or each plane's", OWN),
    ("all values of the pixels' type", TYPE),
    ("the layer's contrast limits", LIMITS),
)


class Denoise(Panel):
    """Denoise a layer into a new one."""

    def __init__(self, napari_viewer: Any):
        self.model = ModelRow("Model", follows=True)
        self.units = ComboBox(label="Range", choices=UNITS)
        self.units.tooltip = "The intensities that count as 0 and 1 to the model; values beyond them are kept"
        self.ensemble = CheckBox(label="", text="mean of 8 flips and turns, 8 times as long")
        self.model.choice.changed.connect(self._rely)
        super().__init__(napari_viewer, "Denoise", self.model, self.units, self.ensemble)

    def begin(self) -> Job:
        layer = self.chosen
        planes = layers.planes_of(layer, self.axis.value)
        self._target = layers.room(planes, layers.called(layer))
        self._layer, self._model = layer, models.fitting(self.model.model, planes.shape[2])
        units = tuple(map(float, layer.contrast_limits)) if self.units.value == LIMITS else self.units.value
        task = {"do": "denoise", "model": self._model, "units": units, "ensemble": self.ensemble.value}
        return Job("denoising", planes, task, self.hear, self._target)

    def done(self, result: Any) -> None:
        layer, name = self._layer, f"{self._layer.name} denoised"
        self.viewer.add_layer(Layer.create(*layers.beside(layer, self._target, name, model=self._model)))
        if layer.multiscale:
            show_info(f"{layers.called(layer)} has several resolutions: the full one was denoised")
        self.words.value = f"Done, by {Path(self._model).name}: “{name}”. Its eye shows and hides it."

    def _rely(self, *_: Any) -> None:
        """Another model: what was chosen for the one before would rarely fit."""
        self.units.value = OWN
