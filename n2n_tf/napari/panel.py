"""What the panels share: a layer, its channels, a button that starts and stops, a bar, a line of words."""

import logging
from typing import Any

from magicgui.widgets import ComboBox, Container, Label, ProgressBar, PushButton, create_widget
from napari.utils.notifications import show_error, show_warning

from n2n_tf.config import UsageError
from n2n_tf.napari import layers
from n2n_tf.napari.job import Job

FINE = 1000  # steps of the bar
WIDTH = 300  # pixels of the line of words, at least


class Panel(Container):
    """A panel whose button starts one job, and stops it.

    Args:
        viewer: whose layers are worked on.
        verb: on the button.
        more: rows between the layer and the button.
    """

    def __init__(self, viewer: Any, verb: str, *more: Any):
        super().__init__(labels=False)
        self.viewer, self.verb = viewer, verb
        self.layer = create_widget(label="Layer", annotation="napari.layers.Image")
        self.axis = ComboBox(label="Channels", choices=self._axes)
        self.axis.tooltip = "An axis that holds channels, which a model of so many sees together"
        self.button = PushButton(text=verb)
        self.bar = ProgressBar(max=FINE, visible=False)
        self.words = Label(value="")
        self.words.native.setWordWrap(True)
        self.words.native.setMinimumWidth(WIDTH)
        form = Container(widgets=[self.layer, self.axis, *more])
        form.margins = (0, 0, 0, 0)
        self.extend([form, self.button, self.bar, self.words])
        self.job: Job | None = None
        self.button.changed.connect(self.press)
        self.layer.changed.connect(self._take)
        self.native.destroyed.connect(self._leave)

    def begin(self) -> Job:
        """What the button does, checked.

        Raises:
            UsageError: what was chosen cannot be right.
        """
        raise NotImplementedError

    def done(self, result: Any) -> None:
        """Called with what the job gave."""
        raise NotImplementedError

    def hear(self, kind: str, *given: Any) -> None:
        """Called with what the job tells."""
        if kind == "progress":
            self.progress(*given)
        elif kind == "warning":
            show_warning(f"n2n_tf: {given[0]}")
        elif kind == "words":
            self.said(*given)
        elif kind in ("done", "stopped", "failed"):
            self._end(kind, *given)

    def said(self, level: int, text: str) -> None:
        """Called with what the library says."""
        if level >= logging.WARNING:
            show_warning(f"n2n_tf: {text}")

    def progress(self, share: float, text: str) -> None:
        """Show how much is done, 0 to 1; below 0: nobody knows."""
        self.bar.max = 0 if share < 0 else FINE
        self.bar.value = 0 if share < 0 else int(FINE * share)
        self.words.value = text

    @property
    def chosen(self) -> Any:
        """The layer.

        Raises:
            UsageError: there is none.
        """
        if self.layer.value is None:
            raise UsageError("no image layer: open an image first")
        return self.layer.value

    def press(self) -> None:
        """Start, or stop."""
        if self.job:
            self.job.stop()
            self.words.value = "Stopping…"
            return
        try:
            job = self.begin()
            job.start()
        except UsageError as error:
            show_error(str(error))
            return
        self.job, self.button.text, self.bar.visible = job, "Stop", True
        self.progress(-1, "Starting TensorFlow…")

    def reset_choices(self, *_: Any) -> None:
        """Of layers and what depends on them."""
        super().reset_choices()
        self._take()

    def _axes(self, widget: Any) -> list[tuple[str, int]]:
        return layers.channel_axes(self.layer.value)

    def _take(self, *_: Any) -> None:
        self.axis.reset_choices()
        self.axis.visible = len(self.axis.choices) > 1

    def _end(self, kind: str, given: Any = None) -> None:
        self.job, self.button.text, self.bar.visible, self.words.value = None, self.verb, False, ""
        if kind == "failed":
            self.words.value = f"Failed: {given}"
            show_error(str(given))
        elif kind == "stopped":
            self.words.value = "Stopped."
        else:
            self.done(given)

    def _leave(self, *_: Any) -> None:
        if self.job:
            self.job.forget()
