"""The generalised Anscombe transformation: noise of variance a·x + s² becomes nearly Gaussian, of variance 1."""

import numpy as np

DARKEST = 2 * np.sqrt(3 / 8)  # what the transformation has on average where there is no light, and so no noise


def stabilised(noisy: np.ndarray, gain: float, offset: float) -> np.ndarray:
    """f(z) = (2/a)·√max(0, a·z + ⅜a² + s²).

    Args:
        noisy: any shape, in units of the value range.
        gain: a, above 0: the inverse of the photons at full brightness.
        offset: s², the variance at black; below 0 where black is above no light.

    Returns:
        float64, with noise of about variance 1.

    Source: Anscombe 1948; with s²: Murtagh, Starck, Bijaoui 1995.
    """
    return 2 / gain * np.sqrt(np.maximum(gain * noisy.astype(np.float64) + 3 / 8 * gain**2 + offset, 0))


def restored(stable: np.ndarray, gain: float, offset: float) -> np.ndarray:
    """The x for which the mean of f(z) is what came, in closed form; not the algebraic inverse, which is too dark.

    x = a·(D²/4 + ¼√(3/2)·D⁻¹ − 11/8·D⁻² + ⅝√(3/2)·D⁻³ − ⅛ − s²/a²), of D not below that of no light.

    Args:
        stable: D, denoised values of `stabilised`.
        gain, offset: as there.

    Returns:
        float64, in units of the value range; at least -s²/a, where the variance is 0.

    Source: Mäkitalo, Foi, "A closed-form approximation of the exact unbiased inverse of the Anscombe variance-
        stabilizing transformation", 2011; with s²: "Optimal inversion of the generalized Anscombe transformation for
        Poisson-Gaussian noise", 2013.
    """
    d = np.maximum(stable.astype(np.float64), DARKEST)
    root = np.sqrt(3 / 2)
    photons = d**2 / 4 + root / 4 / d - 11 / 8 / d**2 + 5 / 8 * root / d**3 - 1 / 8
    return gain * (photons - offset / gain**2)
