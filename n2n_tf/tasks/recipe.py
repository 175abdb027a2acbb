"""How a denoiser is made, for processes that have to make their own."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n2n_tf import __version__
from n2n_tf.baselines.settings import BaselineSettings
from n2n_tf.config import RunError

if TYPE_CHECKING:
    from n2n_tf.inference import Denoiser


@dataclass(frozen=True)
class Recipe:
    """What another process needs to make the same denoiser.

    Attributes:
        model: a name of `weights.SHIPPED`, a path that all processes see, or the settings of a baseline.
        settings: of `Denoiser`, or of `Baseline`.
        digest: of the model's file; empty for what comes with the package.
        version: of n2n_tf.
    """

    model: str | BaselineSettings
    settings: tuple[tuple[str, Any], ...] = ()
    digest: str = ""
    version: str = __version__

    @classmethod
    def of(cls, model: str | Path | BaselineSettings, **settings: Any) -> Recipe:
        """The recipe of a model that `load_denoiser` takes, or of a baseline."""
        if isinstance(model, BaselineSettings):
            return cls(model, tuple(settings.items()))
        from n2n_tf.weights import SHIPPED

        place = str(model) if str(model) in SHIPPED else os.path.abspath(model)
        return cls(place, tuple(settings.items()), _digest(place))

    def build(self) -> Denoiser:
        """The denoiser.

        Raises:
            UsageError, ValueError: as `load_denoiser`, `Denoiser` and `Baseline`.
            RunError: this process has another n2n_tf, or another file in the model's place.
        """
        if self.version != __version__:
            raise RunError(f"has n2n_tf {__version__}; wanted {self.version}: install the same everywhere")
        if isinstance(self.model, BaselineSettings):
            from n2n_tf.baselines.denoiser import Baseline

            return Baseline(self.model, **dict(self.settings))
        from n2n_tf.inference import Denoiser
        from n2n_tf.weights import load_denoiser

        network = load_denoiser(self.model)
        if _digest(self.model) != self.digest:
            raise RunError(f"{self.model}: is another file here; wanted one folder that all processes see")
        return Denoiser(network, **dict(self.settings))


def _digest(model: str) -> str:
    """Of a model's file; empty if there is none."""
    path = os.path.join(model, "denoiser.keras") if os.path.isdir(model) else model
    if not os.path.isfile(path):
        return ""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
