"""Scenes and noise of known parameters, for the tests of the meters."""

import numpy as np
from scipy.ndimage import convolve1d

BLUR = np.array([0.15, 1, 0.15]) / np.sqrt(1 + 2 * 0.15**2)  # of unit energy: noise keeps its variance
RHO = np.correlate(BLUR, BLUR, "full")[2:]  # at distances 0, 1, 2 along one axis


def scene(channels=3, side=(320, 384), texture=0.25):
    """Slopes of every brightness, edges, and a band of texture; float32 [H, W, C]."""
    rows, columns = np.mgrid[: side[0], : side[1]] / np.array(side)[:, None, None]
    light = 0.1 + 0.7 * columns * (0.6 + 0.4 * rows) + 0.1 * (np.sin(8 * rows) > 0.3)
    grain = np.random.default_rng(7).normal(size=side)
    light = np.where(rows < texture, light + 0.15 * (grain + np.roll(grain, 1, 1)), light)
    tint = np.linspace(1, 0.7, channels)
    return (light[..., None] * tint).clip(0.02, 1).astype(np.float32)


def gaussian(clean, sigma, seed=0):
    """White, σ of 255."""
    return (clean + np.random.default_rng(seed).normal(size=clean.shape) * sigma / 255).astype(np.float32)


def mixed(clean, gain, sigma, seed=0):
    """Poisson–Gaussian: variance gain·x + (σ/255)²."""
    return gaussian(np.random.default_rng([seed, 1]).poisson(clean / gain) * gain, sigma, seed)


def blurred(clean, sigma, seed=0, axes=(0, 1)):
    """Gaussian of the same σ, ρ as `RHO` along the axes."""
    noise = np.random.default_rng(seed).normal(size=clean.shape) * sigma / 255
    for axis in axes:
        noise = convolve1d(noise, BLUR, axis=axis, mode="wrap")
    return (clean + noise).astype(np.float32)


def rounded(image):
    """As 8 bits store it, clipped."""
    return (np.round(image.clip(0, 1) * 255) / 255).astype(np.float32)
