"""Single pixels that are far too bright or too dark."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

from n2n_tf.meter import line
from n2n_tf.meter.artefact import Artefact, summary
from n2n_tf.meter.images import checked
from n2n_tf.meter.poisson_gaussian import flat_blocks, noise_of

FAR = 8.0  # σ from every neighbour
DECADES = 6.0  # beyond a hundredth, to which the tail of the image's own differences is followed: a share of 1e-8
CLASSES = 16  # of brightness, each with its own tail
FEW = 4096  # values a class has at the least; an image of fewer is one class
SEEN = 2**18  # values that tails are read from: a larger image gives every second, third, … row of them
THRESHOLD = 2e-5  # share of values: 24 in 512×768×3; photographs with noise have fewer that are alone in their channel
GRAY = 2e-4  # the same for one channel and one image, where a glint cannot be told from a hot pixel
MOST = 10_000  # places kept of an image
RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)


def hot_pixels(images: Iterable[np.ndarray]) -> Artefact:
    """The share of values that are far above all, or below all, of their 8 neighbours, which differ by less.

    Far is 8 σ of the noise at the neighbours' brightness, which white Gaussian noise does not reach once in 10¹⁵; and
    beyond what the image's own pixels of that brightness promise: an exponential tail through the 90th and the 99th
    percentile of their distances from their neighbours. Noise that neighbours share, or that a gamma curve stretched,
    has more distance than its σ at high frequencies tells. A glint or a star is far as well: so of several channels a
    pixel counts if only one shows it; of one channel if a second image of the set has it at the same place (of one
    image alone they are all counted, against a higher threshold).

    Args:
        images: float [H, W] or [H, W, C]; one at a time is held.

    Raises:
        TypeError, ValueError: as `checked`; no image.
    """
    found, sizes, channels = [], [], 1
    for image in checked(images):
        found.append(_places(image))
        sizes.append(image.size)
        channels = image.shape[2]
    if channels == 1 and len(found) > 1:
        found = _returning(found)
    threshold = GRAY if channels == 1 and len(found) == 1 else THRESHOLD
    values = [len(places) / size for places, size in zip(found, sizes, strict=True)]
    notes = [
        f"{len(places)} hot or dead pixels in an image; replace them by the median of their neighbours"
        for places, value in zip(found, values, strict=True)
        if value > threshold
    ]
    return summary("hot_pixels", values, threshold, notes)


def _places(image: np.ndarray) -> np.ndarray:
    """[n, 3]: row, column, channel."""
    ring = RING[..., None]
    highest, lowest = maximum_filter(image, footprint=ring), minimum_filter(image, footprint=ring)
    beyond = np.maximum(image - highest, lowest - image)
    found, flat = flat_blocks(image)
    if not len(flat):
        return np.zeros((0, 3), int)
    noise, usual = noise_of(found, flat)
    far = FAR * np.sqrt(line.at(noise, highest + max(noise[0], 0), usual))  # a photon more, as few are skewed
    far = np.maximum(far, _tail((highest + lowest) / 2, beyond))
    hot = (beyond > far) & (highest - lowest < far)
    hot &= np.count_nonzero(beyond > far / 4, axis=2, keepdims=True) == 1
    return np.argwhere(hot)[:MOST]


def _tail(brightness: np.ndarray, beyond: np.ndarray) -> np.ndarray:
    """For each pixel, how far beyond their neighbours one in 10⁸ of its brightness is, if their tail is exponential.

    Hot pixels are too few to move its percentiles: up to a hundredth of the values.

    Args:
        brightness: of the neighbours, any shape.
        beyond: distance from the nearest of them in brightness, above all or below all; negative where it lies within.
    """
    step = -(-brightness.size // SEEN)
    order = np.argsort(brightness[::step], axis=None)
    values, distances = brightness[::step].ravel()[order], beyond[::step].ravel()[order]
    number = int(np.clip(len(order) // FEW, 1, CLASSES))
    ends = values[np.arange(1, number) * len(order) // number]
    tenth, hundredth = np.transpose([np.quantile(each, (0.9, 0.99)) for each in np.array_split(distances, number)])
    reach = hundredth + DECADES * (hundredth - tenth)
    return reach.astype(np.float32)[np.digitize(brightness, ends)]


def _returning(found: list[np.ndarray]) -> list[np.ndarray]:
    """The places that more than one image has."""
    counts = Counter(map(tuple, np.concatenate(found)))
    return [places[[counts[tuple(place)] > 1 for place in places]] if len(places) else places for places in found]
