"""The mean squared error of any denoiser on noisy images, from the noise model: Stein's unbiased risk estimate."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np

from n2n_tf.meter.correlation import THRESHOLD, Correlation
from n2n_tf.meter.gain import Gain, draw_error, gain
from n2n_tf.meter.images import checked
from n2n_tf.meter.pile import uncut

STEP = 0.03  # of the probe, in σ: at 0.1 a denoiser with kinks is read 2 % wrong, at 0.01 as at 0.03
FEW = 0.1  # share of the values that must not be cut off
SAID = 0.01  # share of those that are, from which it is said
COARSE = 5e-3  # a, of the value range, from which a photon is too large a step for a derivative
HIT = 0.125  # share of the values that lose one
FINEST = 3e-4  # of the value range: large against the rounding of float32


class CutOffError(ValueError):
    """There is no noise to judge by."""


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
) -> Gain:
    """Estimate the error of a denoiser f on noisy images y of noise variance V(y).

        MSE = mean((f(y) - y)²) - mean(V) + 2·mean(V·b·(f(y + τb) - f(y)))/τ,    b = ±1 at random

    Holds for noise that is independent between pixels and channels, Gaussian, or of variance a·x + s² where a is small;
    and for a denoiser that does not learn from y itself. Two calls of f for each image.

    From a = 0.005 on, of at most 200 photons, the part a·y of V is taken for Poisson's: instead of its derivative the
    difference that one photon makes, y·(f(y) - f(y - a at this value)), one more call. Values that lose one are an
    eighth, at random; what others' do to a value is told by those that lose none, and taken off.

    Values near those at black or white do not count: what is cut off there is no longer noise of variance V.

    Args:
        denoiser: float32 [H, W, C] -> the same shape; deterministic.
        images: noisy, float [H, W] or [H, W, C], in units of the value range; one at a time is held.
        noise: measured on these images, or known.
        correlation: measured on these images; where ρ is above 0.1 the result is not valid, and says so.
        seed: of b; image number i has the generator [seed, i], whatever came before.

    Raises:
        TypeError, ValueError: as `checked`; no image; a result of another shape; `CutOffError`: nearly all values of
            all images are cut off.

    Source: Stein 1981; Monte Carlo: Ramani, Blu, Unser 2008; V for each pixel: Le Montagner et al. 2014; a photon's
    difference: Hudson 1978, Luisier et al. 2010; telling it at random is this project's.
    """
    found, cut_off = Stein(correlation, seed), []
    for image in checked(images):
        try:
            found.add(image, np.asarray(denoiser(image)), denoiser, noise)
        except CutOffError as error:
            cut_off.append(error)
    if cut_off and not found.rows:
        raise cut_off[0]
    notes = (f"without {len(cut_off)} image(s) that are nearly all cut off at black or white",) if cut_off else ()
    gained = found.gain()
    return replace(gained, notes=gained.notes + notes)


class Stein:
    """The estimate of `sure`, image by image, for results that are there already.

    Attributes:
        rows: of each image the MSE, its standard error, that of the noisy image, its standard error.

    Args:
        correlation, seed: as `sure` has them.
    """

    def __init__(self, correlation: Correlation | None = None, seed: int = 0):
        self.correlation, self.seed = correlation, seed
        self.rows: list[tuple[float, float, float, float]] = []
        self._level_error, self._left_out = 0.0, list[float]()

    def add(
        self, image: np.ndarray, denoised: np.ndarray, denoiser: Callable[[np.ndarray], np.ndarray], noise: NoiseModel
    ) -> float:
        """The MSE on one more image; calls the denoiser once, or twice where photons are few.

        Args:
            image: noisy, float32 [H, W, C], in units of the value range.
            denoised: what the denoiser makes of it.
            denoiser, noise: as `sure` has them.

        Raises:
            ValueError: a result of another shape; nearly all values are cut off.
        """
        counts = uncut(image, noise.variance)
        if counts.mean() < FEW:
            raise CutOffError("nearly all values are cut off at black or white; wanted images with room on both sides")
        variance = noise.variance(image)
        step = np.float32(max(STEP * np.sqrt(variance.mean()), FINEST))
        random = np.random.default_rng([self.seed, len(self.rows)])
        signs = random.integers(0, 2, image.shape, np.int8)
        probe = signs.astype(np.float32) * 2 - 1
        if denoised.shape != image.shape:
            raise ValueError(f"the denoiser made {denoised.shape} of an image of {image.shape}; wanted the same shape")
        moved = np.asarray(denoiser(image + step * probe))
        gain = np.asarray(getattr(noise, "gain", 0.0), np.float32)
        gain = np.where(gain < COARSE, 0, gain)  # of light, in photons: what is left is Gaussian
        photons = np.divide(np.clip(gain * image, 0, variance), gain, out=np.zeros_like(image), where=gain > 0)
        terms = np.square(denoised - image, dtype=float) - variance
        terms += 2 * (variance - gain * photons) * probe * (moved - denoised) / step
        if gain.any():
            hit = random.random(image.shape, np.float32) < HIT
            lost = denoised - np.asarray(denoiser(image - gain * hit))
            terms += 2 * photons * lost * np.where(hit, 1 / HIT, -1 / (1 - HIT))
        self.rows.append((*_mean(terms, counts), *_mean(variance, counts)))
        self._left_out.append(1 - float(counts.mean()))
        self._level_error = max(self._level_error, _relative_error(noise))
        return self.rows[-1][0]

    def gain(self) -> Gain:
        """Of all images.

        Raises:
            ValueError: there is none.
        """
        if not self.rows:
            raise ValueError("no image to measure; wanted one at least")
        valid, notes = _validity(self.correlation)
        if (share := float(np.mean(self._left_out))) > SAID:
            notes += (f"without the {share:.1%} of the values that lie where noise is cut off at black or white",)
        return gain(np.array(self.rows), self._level_error, notes, valid)


def _mean(terms: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Over the values that count, and its standard error."""
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
