"""The mean squared error of any denoiser on noisy images, from the noise model: Stein's unbiased risk estimate."""

import itertools
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np

from n2n_tf.meter.correlation import THRESHOLD, Correlation
from n2n_tf.meter.gain import Gain, draw_error, gain
from n2n_tf.meter.images import checked

STEP = 0.03  # of the probe, in σ: at 0.1 a denoiser with kinks is read 2 % wrong, at 0.01 as at 0.03
FINEST = 3e-4  # of the value range: large against the rounding of float32


class NoiseModel(Protocol):
    """What a level meter gives: `Level`, `PoissonGaussian`."""

    def variance(self, image: np.ndarray) -> np.ndarray:
        """Of the noise of each pixel, from noisy values."""


def sure(
    denoiser: Callable[[np.ndarray], np.ndarray],
    images: Iterable[np.ndarray],
    noise: NoiseModel,
    correlation: Correlation | None = None,
    seed: int = 0,
    where: Iterable[np.ndarray] | None = None,
) -> Gain:
    """Estimate the error of a denoiser f on noisy images y of noise variance V(y).

        MSE = mean((f(y) - y)²) - mean(V) + 2·mean(V·b·(f(y + τb) - f(y)))/τ,    b = ±1 at random

    Holds for noise that is independent between pixels and channels, Gaussian, or of variance a·x + s² to first order in
    a; and for a denoiser that does not learn from y itself. Two calls of f for each image.

    Args:
        denoiser: float32 [H, W, C] -> the same shape; deterministic.
        images: noisy, float [H, W] or [H, W, C], in units of the value range; one at a time is held.
        noise: measured on these images, or known.
        correlation: measured on these images; where ρ is above 0.1 the result is not valid, and says so.
        seed: of b; image number i has the generator [seed, i], whatever came before.
        where: bool [H, W, C] for each image, the values that count; all if not given. Chosen by the result, say, that
            noise cut off at black or white does not count: V is not its variance.

    Raises:
        TypeError, ValueError: as `checked`; no image; a result of another shape; no value that counts.

    Source: Stein 1981; Monte Carlo: Ramani, Blu, Unser 2008; V for each pixel: Le Montagner et al. 2014, without their
    terms of second order.
    """
    counts = itertools.repeat(None) if where is None else iter(where)
    rows = [
        _row(denoiser, image, noise, np.random.default_rng([seed, number]), next(counts))
        for number, image in enumerate(checked(images))
    ]
    if not rows:
        raise ValueError("no image to measure; wanted one at least")
    valid, notes = _validity(correlation)
    return gain(np.array(rows), _relative_error(noise), notes, valid)


def _row(
    denoiser: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    noise: NoiseModel,
    random: np.random.Generator,
    counts: np.ndarray | None,
) -> tuple[float, float, float, float]:
    variance = noise.variance(image)
    step = np.float32(max(STEP * np.sqrt(variance.mean()), FINEST))
    signs = random.integers(0, 2, image.shape, np.int8)
    probe = signs.astype(np.float32) * 2 - 1
    denoised = np.asarray(denoiser(image))
    if denoised.shape != image.shape:
        raise ValueError(f"the denoiser made {denoised.shape} of an image of {image.shape}; wanted the same shape")
    moved = np.asarray(denoiser(image + step * probe))
    terms = np.square(denoised - image, dtype=float) - variance + 2 * variance * probe * (moved - denoised) / step
    return *_mean(terms, counts), *_mean(variance, counts)


def _mean(terms: np.ndarray, counts: np.ndarray | None) -> tuple[float, float]:
    """Over the values that count, and its standard error."""
    if counts is None:
        return float(terms.mean()), draw_error(terms)
    if not counts.any():
        raise ValueError("no value of an image counts; wanted some")
    return float(terms[counts].mean()), draw_error(terms, counts)


def _validity(correlation: Correlation | None) -> tuple[bool, tuple[str, ...]]:
    if correlation is None:
        return True, ("correlation was not measured: valid if noise is independent between pixels",)
    if correlation.correlated is None:
        return True, ("too little flat area to measure correlation: valid if noise is independent between pixels",)
    rho, _, (down, right) = correlation.strongest
    if correlation.correlated:
        place = f"{down} down and {right} right"
        return False, (f"not valid: noise is correlated, {rho:.2f} at {place}; at most {THRESHOLD:g} is allowed",)
    return True, ()


def _relative_error(noise: NoiseModel) -> float:
    """Of the variance, where the model tells an error of its σ."""
    for value, error in (("sigma", "error"), ("level", "level_error")):
        if getattr(noise, value, 0):
            return 2 * getattr(noise, error) / getattr(noise, value)
    return 0.0
