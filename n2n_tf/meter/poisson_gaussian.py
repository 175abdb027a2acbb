"""Noise whose variance is a·x + s²: photons, and the electronics that read them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from n2n_tf.meter import line
from n2n_tf.meter.dct_blocks import HIGH, LOW, DctBlocks, dct_blocks, unclipped
from n2n_tf.meter.images import GROUPS, bootstrap, checked, distinct

LEAST = 0.01  # share of an image's blocks that is taken, flat or not
FEW = 50  # blocks under which a result is said to be uncertain
ROUNDS = 3  # of choosing blocks by the line and fitting the line to them
BINS = 256  # of brightness, over [-0.5, 1.5]: what a set of images is summed in


@dataclass(frozen=True)
class PoissonGaussian:
    """variance = gain·x + offset, x the brightness in units of the value range.

    Attributes:
        gain: a; the inverse of the photons at full brightness, λ = 1/a. A little below 0 where noise is Gaussian.
        gain_error: its standard error.
        offset: s², the variance at black. A little below 0 where noise is Poisson alone.
        offset_error: its standard error.
        level: σ at the mean brightness of the blocks used: known better than a and s² are.
        level_error: its standard error.
        brightness: that mean brightness.
        blocks: how many flat blocks were used, of all channels.
        images: how many images.
        notes: what to know before it is relied on.
    """

    gain: float
    gain_error: float
    offset: float
    offset_error: float
    level: float
    level_error: float
    brightness: float
    blocks: int
    images: int
    notes: tuple[str, ...] = ()

    def variance(self, image: np.ndarray) -> np.ndarray:
        """Of the noise of each pixel, from noisy or clean values; not below 0."""
        return np.maximum(self.gain * image + self.offset, 0)


def poisson_gaussian(images: Iterable[np.ndarray]) -> PoissonGaussian:
    """Measure a and s² of noise that is independent between pixels and channels.

    A block of 8×8 is flat when the energy of its low DCT frequencies is what the noise alone would have; the variance
    is then read from its high frequencies. The two are independent, so choosing flat blocks does not lower what is
    read (the lowest variances would need a correction that holds only where all blocks are flat). Where noise is
    correlated between pixels the high frequencies hold less than their share: see `Correlation.sigma`.

    Args:
        images: float [H, W] or [H, W, C], in units of the value range; one at a time is held.

    Raises:
        TypeError, ValueError: as `checked`; no image; no block that is not clipped.

    Source: blocks and frequencies: Ponomarenko et al. 2007 and Pyatykh et al. 2013, differences of channels and the
    selection are this project's. The model: Foi et al. 2008.
    """
    sums, blocks, count = np.zeros((GROUPS, BINS, 3)), 0, 0
    for image in map(distinct, checked(images)):
        found, flat = flat_blocks(image)
        blocks += len(flat)
        if len(flat):
            _add(sums[count % GROUPS], found.at[flat].ravel(), found.high[flat].ravel())
        count += 1
    if not blocks:
        raise ValueError(f"no block of 8×8 pixels without clipping in {count} image(s); wanted images that have some")
    return _result(sums, blocks, count)


def flat_blocks(image: np.ndarray) -> tuple[DctBlocks, np.ndarray]:
    """The blocks of an image, and the numbers of those that are flat (or the flattest).

    Args:
        image: float32 [H, W, C].
    """
    found = dct_blocks(image)
    return found, _flat(found)


def _flat(found: DctBlocks) -> np.ndarray:
    number, channels = found.mean.shape
    least = min(number, max(int(LEAST * number), 4))
    energy = found.low.mean(1)
    parts = [part for part in np.array_split(np.argsort(found.mean.mean(1)), 8) if len(part)]
    lowest = [part[np.argsort(energy[part])[: max(1, len(part) // 50)]] for part in parts]
    flat = np.concatenate(lowest) if lowest else np.zeros(0, int)
    for _ in range(ROUNDS):
        used = unclipped(found, flat)
        if not len(used):
            return used
        noise, usual = noise_of(found, used)
        ratio = (found.low / line.at(noise, found.mean, usual)).mean(1)
        ordinary = np.count_nonzero(ratio < 1 + np.sqrt(2 / (LOW.sum() * channels)))  # one standard deviation
        flat = np.argpartition(ratio, min(max(least, ordinary), number - 1))[: max(least, ordinary)]
    return unclipped(found, flat)


def noise_of(found: DctBlocks, flat: np.ndarray) -> tuple[np.ndarray, float]:
    """The line of variance of one image, (a, s²), and the usual variance on it; `line.at` takes them."""
    points = line.grouped(found.at[flat].ravel(), found.high[flat].ravel(), int(HIGH.sum()), 16)
    return line.fit(*points.T)[0], float(np.median(points[:, 1]))


def usual_sigma(image: np.ndarray, clipped: bool = False) -> float | None:
    """The root of the mean variance of the noise of one image; None if clipping leaves no flat block.

    Args:
        image: float32 [H, W, C].
        clipped: then take the flat blocks as clipping left them, but for those that it took most of.
    """
    found, flat = flat_blocks(image)
    if clipped and not len(flat):
        found = replace(found, touched=np.zeros_like(found.touched))
        flat = _flat(found)
    return float(np.sqrt(found.high[flat].mean())) if len(flat) else None


def _add(bins: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> None:
    places = np.clip(((mean + 0.5) * BINS / 2).astype(int), 0, BINS - 1)
    freedom = HIGH.sum()
    for column, values in enumerate((np.ones_like(mean), mean, variance)):
        bins[:, column] += freedom * np.bincount(places, values, BINS)


def _points(bins: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    used = bins[bins[:, 0] > 0]
    return used[:, 1] / used[:, 0], used[:, 2] / used[:, 0], used[:, 0]


def _result(sums: np.ndarray, blocks: int, images: int) -> PoissonGaussian:
    total = sums.sum(0)
    brightness = total[:, 1].sum() / total[:, 0].sum()

    def three(bins: np.ndarray) -> np.ndarray:
        values, _ = line.fit(*_points(bins))
        return np.array([*values, values @ (brightness, 1)])

    values, covariance = line.fit(*_points(total))
    middle = np.array([brightness, 1])
    errors = np.sqrt([*np.diag(covariance), _quadratic(covariance, middle)])
    if images >= 8:
        errors = np.fmax(errors, bootstrap(sums, three))
    level = np.sqrt(max(values @ middle, 0))
    notes = []
    if blocks < FEW * max(1, images):
        notes.append(f"too little flat area: {blocks} blocks in {images} image(s); texture may be in the figures")
    if not np.isfinite(errors[0]):
        notes.append("all flat area has one brightness: the gain cannot be told")
    return PoissonGaussian(
        float(values[0]), float(errors[0]), float(values[1]), float(errors[1]), float(level),
        float(errors[2] / (2 * level)) if level else np.inf, float(brightness), blocks, images, tuple(notes),
    )  # fmt: skip


def _quadratic(covariance: np.ndarray, vector: np.ndarray) -> float:
    if not np.isfinite(covariance[0, 0]):
        return covariance[1, 1]
    return float(vector @ covariance @ vector)
