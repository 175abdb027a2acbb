"""The panel that says what noise a layer has, and what to do next."""

import html
from typing import Any

from magicgui.widgets import TextEdit

from n2n_tf.napari import layers
from n2n_tf.napari.job import Job
from n2n_tf.napari.panel import Panel

HERE = {
    True: "Here: “Train on a layer”; quicker, “Denoise a layer” with what comes with n2n_tf.",
    False: "Here: “Train on a layer” compares pixels so far apart by itself, where that is possible.",
    None: "",
}


class Inspect(Panel):
    """Measure the noise of a layer."""

    def __init__(self, napari_viewer: Any):
        super().__init__(napari_viewer, "Inspect")
        self.report = TextEdit(visible=False)
        self.report.native.setReadOnly(True)
        self.report.native.setMinimumHeight(360)
        self.append(self.report)

    def begin(self) -> Job:
        layer = self.chosen
        task = {"do": "inspect", "name": layers.called(layer)}
        return Job("inspecting", layers.planes_of(layer, self.axis.value), task, self.hear)

    def done(self, result: Any) -> None:
        blocks, fits = result
        self.report.visible = True
        title, last = blocks.pop()
        rows = [*blocks, (title, f"{last} {HERE[fits]}")]
        self.report.native.setHtml("".join(f"<p><b>{title}</b><br>{html.escape(text)}</p>" for title, text in rows))
