"""Which intensities of images count as 0 and 1 to a network, and what numbers of any type become there."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

ROBUST = (0.1, 99.9)  # percentiles that a range is measured by: hot pixels and dead ones do not set it
MOST_PIXELS = 2**18  # looked at of each image
OTHER_UNITS = 5.0  # times wider or narrower than a range: numbers in other units, rather than a dim image
NEARLY_BLACK = 0.1  # of a type's largest value: what fills no more of it, 12 bits in 16 say, is in other units


@dataclass(frozen=True)
class ValueRange:
    """The intensities that count as 0 and 1. Values beyond them are neither clipped nor refused.

    Args:
        low, high: in units of the images, finite, `low` below `high`.

    Raises:
        ValueError: other limits.

    Examples:
        >>> ValueRange(96, 4095).to_unit(np.array([96, 4095], np.uint16)).tolist()
        [0.0, 1.0]
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.high - self.low) and self.low < self.high):
            raise ValueError(f"value range {self}: wanted two numbers in ascending order")

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"

    def __iter__(self) -> Iterator[float]:
        return iter((self.low, self.high))

    @property
    def span(self) -> float:
        return self.high - self.low

    def to_unit(self, image: np.ndarray) -> np.ndarray:
        """Images of any type -> float32, `low` at 0 and `high` at 1."""
        wide = np.dtype(np.float64 if image.dtype.itemsize > 2 else np.float32)  # 32 bits do not fit a float32
        low, span = np.array([self.low, self.span], wide)
        return ((image.astype(wide) - low) / span).astype(np.float32, copy=False)

    def from_unit(self, unit: np.ndarray) -> np.ndarray:
        """The inverse, float64."""
        return unit.astype(np.float64) * self.span + self.low


UNIT = ValueRange(0.0, 1.0)


def range_of_type(dtype: np.dtype) -> ValueRange:
    """All values of an integer type; 0 to 1 for floats and bool."""
    if dtype.kind not in "iu":
        return UNIT
    return ValueRange(float(np.iinfo(dtype).min), float(np.iinfo(dtype).max))


def robust_range(images: Iterable[np.ndarray]) -> ValueRange | None:
    """Where nearly all pixels of some images lie, `ROBUST` percentiles of them together.

    Args:
        images: of any type and shape; pixels that are infinite or not a number are left out.

    Returns:
        None if all their pixels are equal, or none is left.
    """
    pixels = np.concatenate([np.zeros(0), *(_some_pixels(image) for image in images)])
    if not pixels.size:
        return None
    limits = [np.percentile(pixels, ROBUST), (pixels.min(), pixels.max())]  # the second where nearly all are equal
    return next((ValueRange(float(low), float(high)) for low, high in limits if low < high), None)


RULES: dict[str, Callable[[np.ndarray], ValueRange | None]] = {  # that say the range of each image
    "auto": lambda image: robust_range([image]),
    "dtype": lambda image: range_of_type(image.dtype),
}


Told = ValueRange | tuple[float, float] | str | None  # a range as callers say it; a text is a name of `RULES`


def told_range(told: Told) -> ValueRange | str | None:
    """What a caller said of a range, checked.

    Raises:
        ValueError: it is none, nor the name of a rule.
    """
    if isinstance(told, str) and told not in RULES:
        raise ValueError(f"value range {told!r}: wanted {', '.join(RULES)}, or two numbers in ascending order")
    return told if told is None or isinstance(told, str) else ValueRange(*told)


def by_rule(told: ValueRange | str | None, image: np.ndarray, limits: ValueRange | None = None) -> ValueRange | None:
    """What a checked range is for an image; `limits` are all values of its type that it can have, if it is not all."""
    if told == "dtype" and limits:
        return limits
    return RULES[told](image) if isinstance(told, str) else told


def misfit(image: np.ndarray, value_range: ValueRange | None) -> ValueRange | None:
    """Where an image's pixels lie, if that is so far from a range that they are likely in other units.

    Args:
        image: of any type and shape.
        value_range: what it should fit; None stands for the whole of its type.
    """
    found = robust_range([image])
    if found is None:
        return None
    if value_range is None:
        whole = range_of_type(image.dtype)
        return found if image.dtype.itemsize > 1 and found.high < NEARLY_BLACK * whole.high else None
    low, high = value_range.low - value_range.span, value_range.high + value_range.span
    alike = 1 / OTHER_UNITS < found.span / value_range.span < OTHER_UNITS
    return None if alike and found.high > low and found.low < high else found


def is_blank(image: np.ndarray) -> bool:
    """Whether all pixels are equal, or none is a number: there is no noise to learn from."""
    first = image.flat[0]
    return bool((image == first).all()) or (image.dtype.kind == "f" and not np.isfinite(image).any())


def filled(image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """An image whose pixels are all numbers: those that are none, or masked, have the value of the nearest that is one.

    Args:
        image: [H, W, C] of any type, or a masked array.

    Returns:
        The image, and where pixels were filled, bool [H, W, C]; None where all are numbers.

    Raises:
        ValueError: a channel has no number at all.
    """
    missing = np.ma.getmaskarray(image) if isinstance(image, np.ma.MaskedArray) else None
    image = np.ma.getdata(image)
    if image.dtype.kind == "f":
        infinite = ~np.isfinite(image)
        missing = infinite if missing is None else missing | infinite
    if missing is None or not missing.any():
        return image, None
    from scipy.ndimage import distance_transform_edt  # half a second to load; few images need it

    whole = image.copy()
    for channel in range(image.shape[-1]):
        holes = missing[..., channel]
        if holes.all():
            raise ValueError("the image has no pixel that is a number")
        rows, columns = distance_transform_edt(holes, return_distances=False, return_indices=True)
        whole[..., channel] = image[rows, columns, channel]
    return whole, missing


def _some_pixels(image: np.ndarray) -> np.ndarray:
    """At most about `MOST_PIXELS` numbers, evenly spaced."""
    flat = image.compressed() if isinstance(image, np.ma.MaskedArray) else image.reshape(-1)
    some = flat[:: -(-flat.size // MOST_PIXELS) or 1].astype(np.float64)
    return some[np.isfinite(some)]
