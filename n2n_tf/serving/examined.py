"""Noise of a picture that was sent, and what the answer gained: the middle of it, with one more call of the model."""

from collections.abc import Callable

import numpy as np

from n2n_tf.inspection.single import Single, inspect_single
from n2n_tf.serving.answered import Card, Pair, UnsuitableError

LEAST = 128  # pixels of a side, of a plane where it is a mosaic: below, too little flat area to tell much
MEASURED = 2**20  # pixels in the middle that the noise is measured on
TRIED = 2**18  # pixels in the middle that the model is called on: 0.4 GB with a U-Net, a quarter of the time
CONTEXT = 32  # pixels around those, which the model sees but which are not judged: there the cut would show

Area = tuple[slice, slice]


def examined(pair: Pair, card: Card, model: Callable[[np.ndarray], np.ndarray]) -> Single:
    """Measure.

    Args:
        pair: what was sent, and the answer.
        card: of the model.
        model: float32 [h, w, C] -> the same, in the numbers of `serving_default`.

    Raises:
        UnsuitableError: too small, or pixels that are not finite.
    """
    sides = pair.noisy.shape[:2]
    check_sides(sides)
    if not np.isfinite(pair.noisy).all():
        raise UnsuitableError("it has pixels that are infinite or not a number")
    tile = middle(sides, TRIED, card.multiple)
    inner = _inner(tile, sides)
    context, answer = (card.scale.to_unit(each[tile]) for each in (pair.noisy, pair.denoised))

    def denoiser(image: np.ndarray) -> np.ndarray:
        moved = context.copy()
        moved[inner] = image
        result = model(card.scale.from_unit(moved).astype(np.float32))
        return card.scale.to_unit(result if pair.ends is None else result.clip(*pair.ends))[inner]

    noisy = card.scale.to_unit(pair.noisy[middle(sides, MEASURED, card.multiple)])
    return inspect_single(noisy, card.names, context[inner], answer[inner], denoiser)


def check_sides(sides: tuple[int, ...]) -> None:
    """Raise UnsuitableError for an image that is too small."""
    if min(sides) < LEAST:
        raise UnsuitableError(f"it is smaller than {LEAST}×{LEAST} pixels")


def middle(sides: tuple[int, ...], most: int, multiple: int) -> Area:
    """The middle of an image, of at most so many pixels; it begins where a cell of the model does.

    Args:
        sides: height and width.
        most: pixels, LEAST² at least.
        multiple: of rows and columns, by which cells begin.
    """
    height, width = sides
    if height * width <= most:
        return slice(0, height), slice(0, width)
    tall = min(height, max(LEAST, int(height * (most / (height * width)) ** 0.5)))
    wide = min(width, most // tall)
    if wide < LEAST:
        tall, wide = min(height, most // LEAST), LEAST
    top, left = (height - tall) // 2 // multiple * multiple, (width - wide) // 2 // multiple * multiple
    return slice(top, top + tall), slice(left, left + wide)


def _inner(tile: Area, sides: tuple[int, ...]) -> Area:
    """The part of a tile that has context around it, or the image's own edge; within the tile."""
    found = []
    for cut, side in zip(tile, sides, strict=True):
        length = cut.stop - cut.start
        found.append(slice(CONTEXT if cut.start else 0, length - CONTEXT if cut.stop < side else length))
    return found[0], found[1]
