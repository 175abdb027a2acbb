"""A row that asks for a model."""

from typing import Any

from magicgui.widgets import ComboBox, Container, PushButton
from qtpy.QtWidgets import QFileDialog

from n2n_tf.napari import models


class ModelRow(Container):
    """Which model: one that is offered, a run directory or a file that is looked for.

    Args:
        label: of the row.
        first: more of what is offered, words and value, before the others.
        follows: whether one that was just trained is chosen at once.
    """

    def __init__(self, label: str, *more: tuple[str, str], follows: bool = False):
        super().__init__(layout="vertical", labels=False, label=label)
        self.margins = (0, 0, 0, 0)
        self.follows = follows
        self.choice = ComboBox(choices=lambda widget: [*models.offered(), *more])
        run, file = PushButton(text="Run directory…"), PushButton(text=".keras file…")
        look = Container(widgets=[run, file], layout="horizontal", labels=False)
        look.margins = (0, 0, 0, 0)
        self.extend([self.choice, look])
        run.changed.connect(lambda: self.take(QFileDialog.getExistingDirectory(self.native, "A run directory")))
        file.changed.connect(
            lambda: self.take(QFileDialog.getOpenFileName(self.native, "A denoiser", "", "Keras (*.keras)")[0])
        )
        models.listen(self._added)
        self.native.destroyed.connect(self._leave)

    @property
    def model(self) -> str:
        """What was chosen."""
        return self.choice.value

    def take(self, path: str) -> None:
        """Offer a run directory or a file, and choose it; nothing where none was named."""
        if path:
            models.name(path)
            self.choice.value = path

    def _added(self, model: str) -> None:
        self.choice.reset_choices()
        if self.follows:
            self.choice.value = model

    def _leave(self, *_: Any) -> None:
        models.leave(self._added)
