"""One noisy image, and what a denoiser gains on it: as `inspect` tells it of a folder."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from n2n_tf.inspection.measure import BREAKING, Part, measure_part
from n2n_tf.inspection.measured import measured_of, obstacle
from n2n_tf.meter import METERS, Gain, sure
from n2n_tf.meter.gain import LEAST
from n2n_tf.meter.pile import piled
from n2n_tf.meter.projector import FAR

USED = {name: METERS[name] for name in ("poisson_gaussian", "correlation", *BREAKING)}
FAR_FROM_ENDS = 2.0  # σ: of noise around there 2 % is cut off
FEW = 0.1  # share of the values that must not be cut off
CUT_OFF = "nearly all of it is cut off at black or white"
NOT_ABOVE_0 = "the estimated error is not above 0"


@dataclass(frozen=True)
class Single:
    """What was found.

    Attributes:
        parts: what the meters read, of each kind of channel.
        gain: by Stein's estimate; None where it would not hold.
        obstacle: why not; empty if it holds.
    """

    parts: Sequence[Part]
    gain: Gain | None
    obstacle: str


def inspect_single(
    noisy: np.ndarray,
    names: Sequence[str],
    tried: np.ndarray,
    denoised: np.ndarray,
    denoiser: Callable[[np.ndarray], np.ndarray],
) -> Single:
    """Measure the noise of an image, then what a denoiser gained, if that can be told.

    Args:
        noisy: float32 [H, W, C], in units of the value range.
        names: of its kinds of channels: one for all together, or one for each channel.
        tried: float32 [h, w, C], a part of it that is denoised.
        denoised: the result.
        denoiser: which gave it; called once more, or not at all.

    Raises:
        ValueError: pixels that are not finite, or sides under 16.
    """
    each = np.split(noisy, len(names), axis=2) if len(names) > 1 else [noisy]
    parts = [measure_part(name, _one(channels), USED) for name, channels in zip(names, each, strict=True)]
    if problem := obstacle(parts, noisy.shape[2]):
        return Single(parts, None, problem)
    noise = measured_of(parts, noisy.shape[2])
    counts = inside(denoised, noise.variance(denoised), piled(noisy))
    if counts.mean() < FEW:
        return Single(parts, None, CUT_OFF)
    known = [part.correlation for part in parts if part.correlation]
    least_sure = next((each for each in known if each.correlated is None), known[0] if known else None)
    gain = sure(
        lambda image: denoised if image is tried else denoiser(image), [tried], noise, least_sure, where=[counts]
    )
    return Single(parts, gain, NOT_ABOVE_0) if gain.mse < LEAST else Single(parts, gain, "")


def _one(image: np.ndarray) -> Callable[[], Iterator[np.ndarray]]:
    return lambda: iter([image])


def inside(denoised: np.ndarray, variance: np.ndarray, ends: tuple[float | None, float | None]) -> np.ndarray:
    """Which values lie so far from the ends that clip that their noise was not cut off there.

    Args:
        denoised: [H, W, C]: by the noisy values themselves those with low noise would be chosen.
        variance: of the noise, for each.
        ends: as `piled` gives them.
    """
    far, (low, high) = FAR_FROM_ENDS * np.sqrt(variance), ends
    counts = np.ones(denoised.shape, bool) if low is None else denoised > low + far
    return counts if high is None else counts & (denoised < high - far)


def numbers(part: Part) -> dict[str, float]:
    """Those that hold, by name: σ of 255 of the range; a and s² in units of the range; ρ right and below."""
    if part.jpeg:
        return {}
    found = {} if part.sigma is None else {"sigma": 255 * part.sigma}
    if part.line and not part.correlated:  # high frequencies alone would show too little
        found |= {"gain": part.line.gain, "offset": part.line.offset}
    if part.correlation and part.correlation.enough:
        found |= {"right": part.correlation.rho[0, FAR + 1], "below": part.correlation.rho[1, FAR]}
    return {name: float(value) for name, value in found.items() if np.isfinite(value)}
