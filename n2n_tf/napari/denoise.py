"""The panel that denoises a layer."""

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
    ("the model's own range, else each plane's", OWN),
    ("the whole of the pixels' type", TYPE),
    ("the layer's contrast limits", LIMITS),
)


class Denoise(Panel):
    """Denoise a layer into a new one."""

    def __init__(self, napari_viewer: Any):
        self.model = ModelRow("Model", follows=True)
        self.units = ComboBox(label="0 and 1 are", choices=UNITS)
        self.units.tooltip = "Which intensities count as 0 and 1; values beyond them are kept"
        self.ensemble = CheckBox(label="", text="mean over 8 flips and turns: 8 times as long")
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
        name, layer = f"{self._layer.name} denoised", self._layer
        self.viewer.add_layer(Layer.create(*layers.beside(layer, self._target, name, model=self._model)))
        if layer.multiscale:
            show_info(f"{layers.called(layer)} has several resolutions: the full one was denoised")
        self.words.value = f"Done, by {self._model}: “{name}”. Its eye shows and hides it."
        self._target = self._layer = None
