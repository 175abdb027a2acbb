"""The mean squared error of any denoiser from repeated shots of one scene."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from n2n_tf.meter.gain import Gain, draw_error, gain
from n2n_tf.meter.images import as_image

SHOTS = 4  # of a scene: one to denoise, three to compare with


def umse(denoiser: Callable[[np.ndarray], np.ndarray], scenes: Iterable[Sequence[np.ndarray]]) -> Gain:
    """Estimate the error of a denoiser f on the first shot y of each scene, with three others a, b, c as references.

        MSE = mean((a - f(y))²) - mean((b - c)²)/2, and the mean of this over the three orders of a, b, c

    No noise model: only that the shots show the same and their noise is independent and of one variance. Correlation
    between pixels of a shot does no harm.

    Args:
        denoiser: float32 [H, W, C] -> the same shape.
        scenes: of each four shots or more (four are used), float [H, W] or [H, W, C], in units of the value range; one
            scene at a time is held.

    Raises:
        TypeError, ValueError: shots as `checked`; fewer than four, or of different shapes; no scene.

    Source: Marcos Morales et al., Evaluating Unsupervised Denoising Requires Unsupervised Metrics, ICML 2023.
    """
    rows = []
    for shots in scenes:
        noisy, *references = _scene(shots)
        denoised = np.asarray(denoiser(noisy))
        if denoised.shape != noisy.shape:
            raise ValueError(f"the denoiser made {denoised.shape} of an image of {noisy.shape}; wanted the same shape")
        rows.append((*_error(denoised, references), *_error(noisy, references)))
    if not rows:
        raise ValueError("no scene to measure; wanted one at least")
    return gain(np.array(rows))


def _scene(shots: Sequence[np.ndarray]) -> list[np.ndarray]:
    if len(shots) < SHOTS:
        raise ValueError(f"{len(shots)} shots of a scene; wanted {SHOTS}: one to denoise, three to compare with")
    images = [as_image(shot) for shot in shots[:SHOTS]]
    if len({image.shape for image in images}) > 1:
        raise ValueError(f"shots of shapes {sorted({image.shape for image in images})}; wanted one")
    return images


def _error(image: np.ndarray, references: list[np.ndarray]) -> tuple[float, float]:
    """MSE of an image, and its standard error."""
    a, b, c = (reference.astype(float) for reference in references)
    to_image = (np.square(a - image) + np.square(b - image) + np.square(c - image)) / 3
    between = (np.square(b - c) + np.square(c - a) + np.square(a - b)) / 6
    terms = to_image - between
    return float(terms.mean()), draw_error(terms)
