"""Values cut off at black or white: their noise has no mean of 0."""

from collections.abc import Iterable

import numpy as np

from n2n_tf.meter.artefact import Artefact, summary
from n2n_tf.meter.images import checked, distinct
from n2n_tf.meter.pile import piled

THRESHOLD = 0.01  # share of pixels: below, their error of about 0.4·σ is 0.0016·σ² of the mean squared error


def clipping(images: Iterable[np.ndarray]) -> Artefact:
    """The share of an image's values that lie on an end where they pile up (`pile`).

    Noise around black or white that is cut off there has another mean, which a denoiser trained on it learns. Areas
    that are really black look the same: few photons, or nothing in view.

    Args:
        images: float [H, W] or [H, W, C]; one at a time is held.

    Raises:
        TypeError, ValueError: as `checked`; no image.
    """
    values, notes = [], []
    for image in map(distinct, checked(images)):
        shares = {}
        for name, end in zip(("below", "above"), piled(image), strict=True):
            shares[name] = 0.0 if end is None else float(np.mean(image == end))
            if shares[name] > THRESHOLD:
                notes.append(f"{shares[name]:.1%} of an image's values are {name} the range, at {end:.4g}")
        values.append(sum(shares.values()))
    return summary("clipping", values, THRESHOLD, notes)
