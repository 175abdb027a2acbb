"""What the meters take: images one at a time, and the sums that keep a set's memory bounded."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

SIDE = 16  # of the largest blocks
GROUPS = 64  # into which the images of a set, or the bands of one, are put for the bootstrap
BANDS = 8  # of one image
DRAWS = 200  # of the bootstrap: its error to 5 %


def checked(images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The images, each float32 [H, W, C].

    Args:
        images: float [H, W] or [H, W, C], in units of the value range, all with the same number of channels.

    Raises:
        TypeError: integers: only the caller knows their range.
        ValueError: other axes, sides under 16 pixels, values that are not finite, or another number of channels.
    """
    channels = None
    for image in images:
        whole = as_image(image)
        channels = whole.shape[2] if channels is None else channels
        if whole.shape[2] != channels:
            raise ValueError(f"an image of {whole.shape[2]} channels after one of {channels}; measure each kind alone")
        yield whole


def as_image(image: np.ndarray) -> np.ndarray:
    """One image, as `checked`."""
    if image.dtype.kind != "f":
        raise TypeError(f"an image of {image.dtype}; wanted float: divide it by its value range")
    if image.ndim not in (2, 3) or min(image.shape[:2]) < SIDE:
        raise ValueError(f"an image of shape {image.shape}; wanted [H, W] or [H, W, C], at least {SIDE}×{SIDE} pixels")
    if not np.isfinite(image).all():
        raise ValueError("pixels that are infinite or not a number; cut them off, or put the mean of their neighbours")
    return np.atleast_3d(image).astype(np.float32, copy=False)


def distinct(image: np.ndarray) -> np.ndarray:
    """The channels of an image [H, W, C] that are neither constant nor equal to one before, or else the first.

    Gray stored as colours, and one fluorescence in colours of a lookup table, have no noise in the others, or none of
    their own.
    """
    first: dict[bytes, int] = {}
    for number, each in enumerate(np.moveaxis(image, -1, 0)):
        if np.ptp(each):
            first.setdefault(hashlib.sha256(each.tobytes()).digest(), number)
    return image if len(first) == image.shape[-1] else np.ascontiguousarray(image[..., list(first.values()) or [0]])


def bootstrap(sums: np.ndarray, statistic: Callable[[np.ndarray], Any], seed: int = 0) -> np.ndarray:
    """Standard error of a statistic of summed groups: groups are drawn with replacement.

    Args:
        sums: [groups, …]; groups without anything are zero throughout, and not drawn.
        statistic: of the sum over groups, to a number or array.
        seed: of the draws; the same seed gives the same error.

    Source: Efron 1979.
    """
    used = sums[np.any(sums.reshape(len(sums), -1) != 0, axis=1)]
    if len(used) < 2:
        return np.full_like(np.asarray(statistic(sums.sum(0)), float), np.nan)
    draws = np.random.default_rng(seed).multinomial(len(used), np.full(len(used), 1 / len(used)), DRAWS)
    return np.std([statistic(np.tensordot(draw, used, 1)) for draw in draws], axis=0, ddof=1)
