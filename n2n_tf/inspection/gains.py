"""What a trained denoiser gains on these images, and what it takes away from them."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from n2n_tf.inspection.images import Looked, middle
from n2n_tf.inspection.measure import Part, worst_correlation
from n2n_tf.inspection.measured import measured_of
from n2n_tf.meter import Gain, sure, umse

MOST = 8  # images that a denoiser is tried on
LARGEST = 2**20  # pixels of each
LEFT = 0.1  # correlation of residual and result from which structure is said to be taken away


@dataclass(frozen=True)
class Residual:
    """Noisy minus denoised.

    Attributes:
        sigma: of it, in units of the value range; that of the noise if nothing but noise was taken away.
        with_image: correlation with the denoised image; 0 if only noise was taken away.
        rho: with its neighbours, right and below.
        picture: noisy, denoised and residual of the first image, [H, W, C].
    """

    sigma: float
    with_image: float
    rho: tuple[float, float]
    picture: tuple[np.ndarray, np.ndarray, np.ndarray]


def gained(
    denoiser: Callable[[np.ndarray], np.ndarray], looked: Looked, parts: Sequence[Part], on_image: Callable[[], None]
) -> tuple[Gain | None, Residual]:
    """Stein's estimate, None where no noise could be measured; and the residual.

    Args:
        denoiser: of images in units of the value range.
        looked: the images.
        parts: what was measured on them.
        on_image: called after each image that is denoised.
    """

    def counted(image: np.ndarray) -> np.ndarray:
        on_image()
        return denoiser(image)

    residual = _residual(counted, some(looked))
    noise = measured_of(parts, looked.settings.channels)
    if not noise.complete:
        return None, residual
    return sure(counted, some(looked), noise, worst_correlation(parts)), residual


def some(looked: Looked) -> Iterator[np.ndarray]:
    """Images to try a denoiser on, evenly spaced."""
    step = -(-len(looked.stored) // MOST)
    return (middle(image, LARGEST) for image in itertools.islice(looked.unit_images(), 0, None, step))


def gained_on_shots(denoiser: Callable[[np.ndarray], np.ndarray], scenes: Sequence[Sequence[np.ndarray]]) -> Gain:
    """The error by repeated shots."""
    return umse(denoiser, scenes)


def _residual(denoiser: Callable[[np.ndarray], np.ndarray], images: Iterator[np.ndarray]) -> Residual:
    rows: list[tuple[float, ...]] = []
    pictures: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for image in images:
        denoised = np.asarray(denoiser(image))
        left = image - denoised
        pictures = pictures or [(image, denoised, left)]
        pairs = (left, denoised), (left[:, 1:], left[:, :-1]), (left[1:], left[:-1])
        rows.append((float(np.square(left).mean()), *(_alike(*pair) for pair in pairs)))
    squares, *others = np.mean(rows, axis=0)
    return Residual(float(np.sqrt(squares)), float(others[0]), (float(others[1]), float(others[2])), pictures[0])


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation coefficient, the mean of each channel taken away; 0 where one is constant."""
    one, other = (each - each.mean((0, 1), dtype=float) for each in (one, other))
    scale = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    return float((one * other).sum()) / scale if scale else 0.0
