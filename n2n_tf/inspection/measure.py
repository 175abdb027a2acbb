"""All meters on the images, each kind of channel alone."""

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from n2n_tf.inspection.images import Looked
from n2n_tf.meter import METERS, Artefact, Correlation, Level, PoissonGaussian
from n2n_tf.meter.correlation import distance_of
from n2n_tf.meter.projector import FAR
from n2n_tf.meter.quantisation import step_of
from n2n_tf.progress import ProgressLine

NOTHING = 1e-4  # σ of the range, below which there is no noise to speak of: 0.03 of 255
ROUNDED = 0.5  # of a step, which σ is below where noise is little more than rounding, σ 0.29 of one
CERTAIN = 3.0  # standard errors that a gain lies above 0 by, to be taken for photon noise
SHARE = 0.1  # of the variance, that it has to explain besides
MOST_PARTS = 8  # channels that are measured alone; of more, the first
COLOURS = ("R", "G", "B")
UNLIKE = 1.3  # ratio of σ at one brightness, from which colours are measured alone; texture makes 1.22 of it, at σ 2
ACROSS = 0.25  # ρ between channels; texture alone reaches 0.17, in photographs with noise of σ 2
JPEG = ("jpeg_grid", "jpeg_steps")
OTHERS = ("periodic_lines", "repeated_pixels")
BREAKING = (*JPEG, *OTHERS)  # noise is then no longer independent
NEEDED = ("poisson_gaussian", "correlation", *BREAKING)  # meters, for an estimate of the error
OF_ALL = 0.25  # share of the images with an artefact from which it is one of the set


@dataclass(frozen=True)
class Part:
    """What was measured of one kind of channel.

    Attributes:
        name: of the part, "all" if there is one.
        level, line, correlation: as the meters give them; None where they could not measure.
        artefacts: by name.
        failures: why a meter could not, by its name.
        step: between values of the first image, in units of the value range; 0 if there are none.
    """

    name: str
    level: Level | None
    line: PoissonGaussian | None
    correlation: Correlation | None
    artefacts: Mapping[str, Artefact]
    failures: Mapping[str, str]
    step: float = 0.0

    @property
    def correlated(self) -> bool | None:
        return self.correlation.correlated if self.correlation else None

    @property
    def unlike(self) -> bool:
        """Whether three channels have noise of unlike levels, and share none of it."""
        if not self.correlation or len(self.correlation.levels) != len(COLOURS) or self.correlation.across > ACROSS:
            return False
        sigma = np.sqrt(np.maximum(self.correlation.levels, NOTHING**2))
        return bool(np.median(sigma.max(0) / sigma.min(0)) > UNLIKE)

    @property
    def jpeg(self) -> bool:
        """Whether it was saved as JPEG, which removes noise from flat areas first: what is read there is too little."""
        return any(each.name in JPEG for each in self.marked())

    @property
    def model(self) -> str:
        """What the noise is like: none, correlated, signal-dependent or gaussian; unknown if nothing was measured."""
        if self.line is None or self.sigma is None:
            return "unknown"
        if self.sigma < max(NOTHING, ROUNDED * self.step):
            return "none"
        if self.correlated:
            return "correlated"
        line = self.line
        grows = line.gain > CERTAIN * line.gain_error and line.gain * line.brightness > SHARE * line.level**2
        return "signal-dependent" if grows else "gaussian"

    @property
    def sigma(self) -> float | None:
        """Of the noise at the brightness of the flat areas, in units of the value range."""
        if self.correlated and self.correlation:
            return self.correlation.sigma  # high frequencies alone would show too little
        return self.line.level if self.line else None

    @property
    def sigma_error(self) -> float | None:
        """Its standard error; None where it is not known."""
        return self.line.level_error if self.line and not self.correlated else None

    @property
    def shared(self) -> np.ndarray:
        """[9, 17], at which distances (down, right - 8) pixels share noise; nowhere if neighbours do not."""
        if self.correlation and self.correlated:
            return self.correlation.shared
        return np.zeros((FAR + 1, 2 * FAR + 1), bool)

    def marked(self) -> list[Artefact]:
        """The artefacts that enough of the images have."""
        return [each for each in self.artefacts.values() if each.present >= max(1, OF_ALL * each.images)]


def distance_for(parts: Sequence[Part]) -> tuple[int, int] | None:
    """How many pixels apart, (down, right), those of every part have independent noise; None if that is beyond 5."""
    return distance_of(np.any([part.shared for part in parts], axis=0))


def worst_correlation(parts: Sequence[Part]) -> Correlation | None:
    """That of the part where it is strongest."""
    known = [part.correlation for part in parts if part.correlation]
    return max(known, key=lambda each: (bool(each.correlated), each.correlated is None), default=None)


def measure(looked: Looked, quiet: bool) -> list[Part]:
    """Run all meters on each part of the images.

    Args:
        looked: the images.
        quiet: show no progress.
    """
    return _measured(looked.parts, looked.unit_images, METERS, quiet)


def measured_parts(images: Sequence[np.ndarray], names: Sequence[str]) -> list[Part]:
    """What an estimate of the error has to know of a few images.

    Args:
        images: float32 [H, W, C], in units of the value range.
        names: of their kinds of channels: one for all together, or one for each channel.
    """

    def of(part: int | None) -> Iterator[np.ndarray]:
        return (image if part is None else image[..., part : part + 1] for image in images)

    return _measured(names, of, NEEDED, quiet=True)


def _measured(
    names: Sequence[str], images: Callable[[int | None], Iterator[np.ndarray]], meters: Collection[str], quiet: bool
) -> list[Part]:
    """Parts of these names; colours alone, where their noise is unlike. `images` gives those of a channel, or whole."""
    names = names[:MOST_PARTS]
    alone = len(names) > 1
    with ProgressLine("measuring", len(names) * len(meters), quiet=quiet) as line:
        parts = [
            measured_part(name, functools.partial(images, number if alone else None), meters, line.advance)
            for number, name in enumerate(names)
        ]
    return parts if alone or not parts[0].unlike else _measured(COLOURS, images, meters, quiet)


def measured_part(
    name: str,
    images: Callable[[], Iterator[np.ndarray]],
    meters: Iterable[str],
    on_meter: Callable[[], None] = lambda: None,
) -> Part:
    """Run meters.

    Args:
        name: of the part.
        images: gives them anew, in units of the value range.
        meters: names in `METERS`.
        on_meter: called after each meter.
    """
    found: dict[str, Any] = {}
    failures = {}
    for meter in meters:
        try:
            found[meter] = METERS[meter](images())
        except ValueError as error:  # nothing to measure on; LinAlgError is one
            failures[meter] = str(error)
        on_meter()
    level, line, correlation = (found.pop(each, None) for each in ("level", "poisson_gaussian", "correlation"))
    return Part(name, level, line, correlation, found, failures, step_of(next(images())))


def breaking(parts: Sequence[Part], among: Sequence[str] = BREAKING) -> list[str]:
    """The artefacts that break the method's assumption, in words."""
    found = (each.name for part in parts for each in part.marked() if each.name in among)
    return [name.replace("_", " ") for name in dict.fromkeys(found)]
