"""What `inspect` found, for people, programs and a browser."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from n2n_tf.files import write_json
from n2n_tf.html import write_page
from n2n_tf.inspection.gains import Residual
from n2n_tf.inspection.images import Looked
from n2n_tf.inspection.measure import Part, distance_for
from n2n_tf.inspection.measured import obstacle
from n2n_tf.inspection.verdict import Verdict
from n2n_tf.meter import Gain
from n2n_tf.meter.projector import FAR

VERSION = 1  # of the JSON's keys


@dataclass(frozen=True)
class Report:
    """All of it.

    Attributes:
        looked: the images.
        parts: what the meters read, of each kind of channel.
        verdict: what that means.
        model: the denoiser's path, if there is one.
        gain: what it gains by Stein's estimate; None without a denoiser, or where noise could not be measured.
        residual: what it takes away.
        shots: what it gains by repeated shots; of the noisy images alone without a denoiser.
        seconds: it took.
    """

    looked: Looked
    parts: Sequence[Part]
    verdict: Verdict
    model: str | None = None
    gain: Gain | None = None
    residual: Residual | None = None
    shots: Gain | None = None
    seconds: float = 0.0

    @property
    def obstacle(self) -> str:
        """Why Stein's estimate, of any denoiser on such images, would not hold; empty if it does."""
        return obstacle(self.parts, self.looked.settings.channels)

    def text(self) -> str:
        """A short report for people."""
        from n2n_tf.inspection.words import text

        return text(self)

    def to_json(self) -> dict[str, Any]:
        """All numbers; those that are not known are null."""
        looked, verdict = self.looked, self.verdict
        return {
            "version": VERSION,
            "images": {
                "paths": list(looked.settings.data), "found": looked.found, "inspected": len(looked.stored),
                "unit": looked.unit, "megapixels": looked.megapixels, "kind": looked.settings.image_kind,
                "channels": looked.settings.channels, "type": str(looked.stored[0].dtype), "cut": looked.cut,
                "skipped": dict(looked.skipped),
            },
            "range": {"low": looked.scale.low, "high": looked.scale.high, "of_type": looked.value_range is None},
            "parts": {part.name: _part(part, looked.scale.span) for part in self.parts},
            "verdict": {
                "fits": verdict.fits, "reasons": list(verdict.reasons), "advice": verdict.advice,
                "command": verdict.command or None,
            },
            "obstacle": self.obstacle,
            "model": self.model and {"path": self.model, "sure": _plain(self.gain), "residual": _residual(self)},
            "shots": _plain(self.shots),
            "seconds": self.seconds,
            "text": self.text(),
        }  # fmt: skip

    def write_json(self, path: str | Path) -> None:
        """As a file."""
        write_json(Path(path), self.to_json())

    def write_page(self, folder: str | Path) -> Path:
        """As `index.html`, that needs no other file, in a folder that is made."""
        from n2n_tf.inspection.page import page

        file = Path(folder) / "index.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        return write_page(file, page(self))


def _part(part: Part, span: float) -> dict[str, Any]:
    correlation, sigma, distance = part.correlation, part.sigma, distance_for([part])
    return {
        "noise": {
            "model": part.model, "sigma": _number(sigma), "sigma_error": _number(part.sigma_error),
            "sigma_of_255": None if sigma is None else _number(255 * sigma),
            "sigma_in_units": None if sigma is None else _number(span * sigma),
        },
        "level": _plain(part.level),
        "poisson_gaussian": _plain(part.line),
        "correlation": correlation and {
            **_plain(correlation), "right": _number(correlation.rho[0, FAR + 1]),
            "right_error": _number(correlation.error[0, FAR + 1]), "below": _number(correlation.rho[1, FAR]),
            "below_error": _number(correlation.error[1, FAR]), "reach": distance and max(distance),
            "distance": distance, "correlated": part.correlated,
        },
        "artefacts": {name: _plain(found) for name, found in part.artefacts.items()},
        "failures": dict(part.failures),
    }  # fmt: skip


def _residual(report: Report) -> dict[str, Any] | None:
    if report.residual is None:
        return None
    numbers = {name: getattr(report.residual, name) for name in ("sigma", "with_image")}
    return {**numbers, **dict(zip(("right", "below"), report.residual.rho, strict=True))}


def _plain(value: Any) -> Any:
    """A dataclass of numbers and arrays as JSON has them."""
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(each) for each in value]
    return _number(value)


def _number(value: Any) -> Any:
    """None for what JSON lacks."""
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
