"""The measured noise of a set of images, as an estimate of the error takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from n2n_tf.inspection.measure import ACROSS, Part, breaking, worst_correlation
from n2n_tf.meter import PoissonGaussian

if TYPE_CHECKING:
    from n2n_tf.noise.measured import MeasuredNoise


FINE = 256  # steps of brightness that a line is told at
LEVEL_SHARE = 0.15  # of the variance, that brightness may change where noise is taken for one of one level


@dataclass(frozen=True)
class Measured:
    """Noise of one kind, or of unlike channels, for `sure`.

    Attributes:
        lines: variance against brightness: one for all channels, or one for each.
        complete: whether it was measured in all channels.
    """

    lines: Sequence[PoissonGaussian]
    complete: bool = True

    def variance(self, image: np.ndarray) -> np.ndarray:
        """Of the noise of each pixel, [H, W, C], from noisy or clean values."""
        if len(self.lines) == 1:
            return self.lines[0].variance(image)
        return np.stack([line.variance(image[..., number]) for number, line in enumerate(self.lines)], -1)

    @property
    def gain(self) -> np.ndarray:
        """a of each line."""
        return np.array([line.gain for line in self.lines], np.float32)

    @property
    def level(self) -> float:
        return float(np.mean([line.level for line in self.lines]))

    @property
    def level_error(self) -> float:
        return float(np.mean([line.level_error for line in self.lines]))


def measured_of(parts: Sequence[Part], channels: int) -> Measured:
    """What was measured, for images of so many channels."""
    lines = [part.line for part in parts if part.line]
    return Measured(lines, len(lines) == len(parts) and len(parts) in (1, channels))


def measured_from(report: Mapping[str, Any]) -> Measured:
    """The same of a report that was saved."""
    lines = [part["poisson_gaussian"] for part in report["parts"].values()]
    known: list[dict[str, Any]] = [{key: np.nan if v is None else v for key, v in line.items()} for line in lines]
    return Measured([PoissonGaussian(**line) for line in known])


def noise_from(report: Mapping[str, Any], channels: int, independent: bool = False) -> MeasuredNoise | None:
    """Noise as a saved report has it, for images of so many channels, correlated or not; None where it is not known.

    What is known to be independent is told better, by a line of variance against brightness that texture raises less.
    """
    from n2n_tf.noise.measured import MeasuredNoise  # loads TensorFlow

    if independent:
        return None if report["obstacle"] else _independent(measured_from(report).lines, channels)
    found = [part["correlation"] for part in report["parts"].values()]
    if not all(each and each["enough"] and "levels" in each for each in found):  # earlier versions have no levels
        return None
    levels, rho = (np.concatenate([np.array(each[name], float) for each in found]) for name in ("levels", "each"))
    between = np.array(found[0]["channels"], float) if len(found) == 1 else np.eye(len(found))  # measured alone
    if len(levels) != channels or not all(np.isfinite(each).all() for each in (levels, rho, between)):
        return None
    return MeasuredNoise(levels, rho, between)


def _independent(lines: Sequence[PoissonGaussian], channels: int) -> MeasuredNoise:
    """Noise of these variances."""
    from n2n_tf.noise.measured import MeasuredNoise

    middles = (np.arange(FINE) + 0.5) / FINE
    levels = [np.full(FINE, line.level**2) if one_level(line) else line.variance(middles) for line in lines]
    return MeasuredNoise.white(np.broadcast_to(levels, (channels, FINE)))


def one_level(line: PoissonGaussian) -> bool:
    """Whether noise surely has the same level at all brightnesses; not where the gain's error is not known."""
    return (abs(line.gain) + 2 * line.gain_error) * line.brightness < LEVEL_SHARE * line.level**2


def obstacle(parts: Sequence[Part], channels: int) -> str:
    """Why Stein's estimate, of any denoiser on images of so many channels, would not hold; empty if it does."""
    if not measured_of(parts, channels).complete:
        told = [text for part in parts for text in part.failures.values()]
        why = "; ".join(dict.fromkeys(told)) or f"only {len(parts)} of {channels} channels are measured"
        return f"noise could not be measured: {why}"
    if any(part.jpeg for part in parts):
        return "JPEG has changed the noise"
    if {part.model for part in parts} == {"none"}:
        return "there is hardly any noise"
    correlation = worst_correlation(parts)
    if correlation and correlation.correlated:
        rho, _, (down, right) = correlation.strongest
        return f"neighbouring pixels share noise, ρ {rho:.2f} at {down} down and {right} right"
    if correlation and correlation.enough and correlation.across > ACROSS:
        return f"channels share noise, ρ {correlation.across:.2f}, so that their differences show too little of it"
    broken = breaking(parts)
    return f"{', '.join(broken)} found" if broken else ""
