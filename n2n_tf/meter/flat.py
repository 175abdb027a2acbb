"""Flat 16×16 blocks: what noise leaves in them once a plane is taken out."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft2, rfft2
from scipy.stats import norm

from n2n_tf.meter import line
from n2n_tf.meter.poisson_gaussian import flat_blocks, noise_of
from n2n_tf.meter.projector import LAGS, SIDE, correlation_of, planes

STRIDE = 8  # blocks overlap by half
MOST = 12_000  # blocks of an image: a larger one gives every second, third, … row of them
FREEDOM = SIDE**2 - 3
ENOUGH = 200  # flat blocks, from which they are judged; below, texture passed for correlation in every trial
LEAST = 0.01  # share of the blocks that is taken when fewer are flat
ROUNDS = 5  # of choosing blocks by the variance of noise and measuring it on them
LARGEST = 40.0  # of the factor by which correlation spreads a block's variance


@dataclass(frozen=True)
class Flat:
    """Flat blocks of one image.

    Attributes:
        residuals: float32 [n, C, 256], divided by the expected standard deviation of the noise.
        looser: [n], which of them lie above the usual variance, by one standard deviation at the most.
        place: [n], where each lies, its row as a share of the height.
        brightness: [m, C], of those below the usual.
        variance: [m, C], of these, in units of the value range; choosing the lower half made it too small, which is
            undone.
    """

    residuals: np.ndarray
    looser: np.ndarray
    place: np.ndarray
    brightness: np.ndarray
    variance: np.ndarray


def flat(image: np.ndarray) -> Flat:
    """Choose the flat blocks of an image.

    First by the noise that high frequencies show (`poisson_gaussian`): where 200 blocks have no more variance, noise is
    white there and those are flat. Else noise may be correlated, which lowers the high frequencies, or the image
    textured: then the variance of noise is looked for, as a line for each channel, that the lowest blocks agree on.

    Args:
        image: float32 [H, W, C].
    """
    residuals, mean, place = _blocks(image)
    variance = np.square(residuals).sum(2) / FREEDOM
    white = _white(image, mean)
    ratio, spread = (variance / white).mean(1), np.sqrt(2 / (FREEDOM * mean.shape[1]))
    expected = white
    if np.count_nonzero(ratio < 1) < ENOUGH:
        expected, ratio, spread = _agreed(residuals, mean, variance)
    chosen = ratio < 1 + spread
    scaled = residuals[chosen] / np.sqrt(expected[chosen])[..., None]
    lower = ratio < 1
    usual = variance[lower] / (1 - spread * 2 * norm.pdf(0))
    return Flat(scaled, ratio[chosen] >= 1, place[chosen], mean[lower], usual)


def products(residuals: np.ndarray) -> np.ndarray:
    """Sum over blocks [n, …, 256] of the mean product at each of `LAGS`, divided by the number of channels."""
    blocks = residuals.reshape(-1, SIDE, SIDE)
    power = np.zeros((2 * SIDE, SIDE + 1))
    for part in np.array_split(blocks, -(-len(blocks) // 2048)):
        power += np.square(np.abs(rfft2(part, (2 * SIDE, 2 * SIDE)))).sum(0)
    sums = irfft2(power, (2 * SIDE, 2 * SIDE))
    channels = residuals.shape[1] if residuals.ndim > 2 else 1
    return np.array([sums[y, x] / ((SIDE - y) * (SIDE - abs(x))) for y, x in LAGS]) / channels


def _blocks(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residuals [n, C, 256], brightness [n, C], place [n]."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (SIDE, SIDE), axis=(0, 1))[::STRIDE, ::STRIDE]
    step = -(-windows.shape[0] * windows.shape[1] // MOST)
    place = np.repeat(np.arange(0, windows.shape[0], step) / windows.shape[0], windows.shape[1])
    pixels = windows[::step].reshape(len(place), image.shape[2], SIDE**2)
    basis = planes().astype(np.float32)
    return pixels - (pixels @ basis) @ basis.T, pixels.mean(2), place


def _white(image: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The variance that high frequencies promise for these blocks."""
    found, chosen = flat_blocks(image)
    if not len(chosen):
        return np.full_like(mean, 1e-12)
    noise, usual = noise_of(found, chosen)
    return line.at(noise, mean, usual)


def _agreed(residuals: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Expected variance [n, C] by what the lowest blocks agree on, the blocks' ratio to it, and the ratio's spread."""
    number, channels = mean.shape
    lines = [_lowest(mean[:, c], variance[:, c]) for c in range(channels)]
    usual = np.median(variance, 0)
    spread, least = np.sqrt(2 / (FREEDOM * channels)), min(number, max(4, int(LEAST * number)))
    level = 0.0
    for turn in range(ROUNDS):
        expected = np.stack([line.at(lines[c], mean[:, c], usual[c]) for c in range(channels)], 1)
        ratio = (variance / expected).mean(1)
        level = _level(ratio, spread, least, level if turn else np.sort(ratio)[: number // 50 + 1].mean())
        lower = np.flatnonzero(ratio < level)
        chosen = lower if len(lower) > least else np.argsort(ratio)[:least]
        scaled = residuals[chosen] / np.sqrt(expected[chosen])[..., None]
        spread = np.sqrt(2 * _spreading(scaled) / (FREEDOM * channels))
        usual = np.median(variance[chosen], 0)
        for c in range(channels):
            points = line.grouped(mean[chosen, c], variance[chosen, c], 1, 8)
            lines[c] = line.fit(*points.T)[0]
        level = max(float(ratio[chosen].mean() / (1 - spread * 2 * norm.pdf(0))), 1e-12)
    return expected * level, ratio / level, float(spread)


def _lowest(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """A line through the lowest variances of classes of brightness; those above it, without flat blocks, count less."""
    points = []
    for part in np.array_split(np.argsort(mean), min(8, len(mean))):
        low = part[np.argsort(variance[part])[: max(4, len(part) // 50)]]
        points.append((mean[low].mean(), variance[low].mean(), 1.0))
    place, values, weights = np.array(points).T
    for _ in range(5):
        found, _ = line.fit(place, values, weights)
        weights = np.where(values > 1.3 * line.at(found, place, float(np.median(values))), 0.1, 1.0)
    return found


def _level(ratio: np.ndarray, spread: float, least: int, start: float) -> float:
    """The level L for which the mean of all ratios under L is what the lower half of a normal law around L has."""
    level = start / (1 - 2 * spread) if spread < 0.25 else start
    for _ in range(20):
        lower = ratio[ratio < level]
        if len(lower) < least:
            break
        level = float(lower.mean() / (1 - spread * 2 * norm.pdf(0)))
    return level


def _spreading(scaled: np.ndarray) -> float:
    """By how much the variance of a block varies more than that of white noise: Σ ρ², over distances and channels."""
    rho = correlation_of(products(scaled) / len(scaled))
    strong = np.where(np.abs(rho) > 0.05, rho, 0) ** 2
    between = np.einsum("nci,ndi->cd", scaled, scaled)
    power = np.maximum(np.diag(between), 1e-30)
    return min(2 * float(strong.sum()) - 1, LARGEST) * float((between**2 / power / power[:, None]).sum()) / len(power)
