"""One noisy image, and what a denoiser gains on it: as `inspect` tells it of a folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from n2n_tf.inspection.measure import Part, measured_parts, worst_correlation
from n2n_tf.inspection.measured import measured_of, obstacle
from n2n_tf.meter import Gain
from n2n_tf.meter.gain import LEAST
from n2n_tf.meter.projector import FAR
from n2n_tf.meter.sure import Stein

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
    parts = measured_parts([noisy], names)
    if problem := obstacle(parts, noisy.shape[2]):
        return Single(parts, None, problem)
    stein = Stein(worst_correlation(parts))
    try:
        mse = stein.add(tried, denoised, denoiser, measured_of(parts, noisy.shape[2]))
    except ValueError as error:
        return Single(parts, None, str(error))
    return Single(parts, stein.gain(), NOT_ABOVE_0 if mse < LEAST else "")


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
