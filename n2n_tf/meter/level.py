"""The level of Gaussian noise in a set of images."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from n2n_tf.meter import chen
from n2n_tf.meter.dct_blocks import HIGH
from n2n_tf.meter.images import checked, distinct
from n2n_tf.meter.poisson_gaussian import FEW, flat_blocks

UNRELIABLE = "one or two channels that differ: read from flat blocks, as patch covariances are unreliable there"
VARIES = 0.1  # of σ, between images, from which a set is said to have no one level


@dataclass(frozen=True)
class Level:
    """σ of white Gaussian noise.

    Attributes:
        sigma: in units of the value range; of a set the root of the mean variance.
        error: its standard error.
        lowest, highest: of the images.
        blocks: patches or flat blocks used.
        images: how many.
        notes: what to know before it is relied on.
    """

    sigma: float
    error: float
    lowest: float
    highest: float
    blocks: int
    images: int
    notes: tuple[str, ...] = ()

    def variance(self, image: np.ndarray) -> np.ndarray:
        """Of the noise of each pixel."""
        return np.full_like(image, self.sigma**2)


def level(images: Iterable[np.ndarray]) -> Level:
    """Measure σ: by patch covariances (`chen`) with 3 channels or more, else by flat blocks.

    Assumes noise that is independent between pixels and channels and the same at every brightness.

    Args:
        images: float [H, W] or [H, W, C], in units of the value range; one at a time is held.

    Raises:
        TypeError, ValueError: as `checked`; no image, or none with a flat block that is not clipped.

    Source: Chen, Zhu, Heng, ICCV 2015; flat blocks: see `poisson_gaussian`.
    """
    rows, notes = [], []
    for image in map(distinct, checked(images)):
        by_patches = image.shape[2] >= chen.CHANNELS
        row = _by_patches(image) if by_patches else _by_flat_blocks(image)
        if row is None:
            notes.append("clipping leaves no flat block in some images: they are not counted")
        else:
            rows.append(row)
        if not by_patches:
            notes.append(UNRELIABLE)
    if not rows:
        raise ValueError("no image that has a flat block without clipping; wanted one at least")
    notes = list(dict.fromkeys(notes))
    sigmas, errors, blocks = np.array(rows).T
    sigma = np.sqrt(np.mean(sigmas**2))
    if len(sigmas) > 1 and sigmas.std() > VARIES * sigma:
        notes.append(f"σ differs between images, from {sigmas.min():.4g} to {sigmas.max():.4g}")
    if UNRELIABLE in notes and blocks.mean() < FEW:
        notes.append(f"too little flat area: {blocks.mean():.0f} blocks an image; texture may be in the figure")
    error = np.sqrt(np.sum(errors**2)) / len(errors)
    if len(sigmas) >= 8:
        error = max(error, sigmas.std(ddof=1) / np.sqrt(len(sigmas)))
    return Level(
        float(sigma), float(error), float(sigmas.min()), float(sigmas.max()), int(blocks.sum()), len(rows), tuple(notes)
    )


def _by_patches(image: np.ndarray) -> tuple[float, float, int]:
    found = chen.chen(image)
    return found.sigma, found.error, (image.shape[0] // chen.STRIDE) * (image.shape[1] // chen.STRIDE)


def _by_flat_blocks(image: np.ndarray) -> tuple[float, float, int] | None:
    found, flat = flat_blocks(image)
    if not len(flat):
        return None
    values = found.high[flat].ravel()
    sigma = np.sqrt(values.mean())
    theory = np.sqrt(2 / (HIGH.sum() * len(values)))  # of the variance, relative
    return float(sigma), float(sigma * theory / 2), len(flat)
