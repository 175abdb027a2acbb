"""Which pixels are intensities, and how they become float32, in [0, 1] or with a value range there."""

import numpy as np

from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.intensities import check_intensities
from n2n_tf.value_range import ValueRange, filled, range_of_type

BRIGHTEST = 2.0  # of a float in [0, 1] that has little noise; others beside integers are counts


def colors_of(channels: int) -> int:
    """Channels without alpha: gray+alpha has 1, RGBA has 3."""
    return channels - (channels in (2, 4))


def check_type(dtype: str | np.dtype, ranged: bool = True) -> None:
    """Raise UnusableImageError if pixels of a type are no intensities; "" is a type that a header does not tell.

    Args:
        dtype: of the pixels.
        ranged: whether a value range tells what they mean; without one integers are unsigned and of at most 16 bits.
    """
    found = np.dtype(dtype or bool)
    wanted = "integers of at most 32 bits" if ranged else "uint8, uint16"
    fits = found.kind in "iu" and found.itemsize <= 4 if ranged else found in (np.uint8, np.uint16)
    if not fits and found.kind not in "bf":
        way_out = "" if ranged else ", or say which numbers stand for 0 and 1 (`range`)"
        raise UnusableImageError(f"{dtype} pixels; wanted {wanted} or float: convert the file{way_out}")


def check_pixels(image: np.ndarray, value_range: ValueRange | None = None) -> None:
    """Raise UnusableImageError if the pixels are no intensities: another type, or floats far outside [0, 1].

    With a value range floats may have any size.
    """
    check_type(image.dtype, value_range is not None)
    try:
        if image.dtype.kind == "f" and value_range is None:
            check_intensities(image)
    except ValueError as error:
        raise UnusableImageError(str(error)) from None


def numbers(image: np.ndarray, colors: int) -> np.ndarray:
    """The first `colors` channels; pixels that are infinite or not a number have the value of the nearest that is.

    Raises:
        UnusableImageError: no pixel is a number.
    """
    try:
        return filled(image[..., :colors])[0]
    except ValueError as error:
        raise UnusableImageError(str(error)) from None


def in_unit_range(image: np.ndarray, value_range: ValueRange | None = None) -> np.ndarray:
    """float32: the value range at 0 to 1; without one integers divided by their largest value, floats as they are.

    Raises:
        UnusableImageError: as `check_pixels`.
    """
    check_pixels(image, value_range)
    if value_range:
        return value_range.to_unit(image)
    if image.dtype.kind == "u":
        return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    return image.astype(np.float32)


def colors_in_unit_range(image: np.ndarray, colors: int, value_range: ValueRange | None = None) -> np.ndarray:
    """`in_unit_range` of `numbers`."""
    return in_unit_range(numbers(image, colors), value_range)


def partner_range(partner: np.ndarray, dtype: np.dtype, value_range: ValueRange | None) -> ValueRange | None:
    """What counts as 0 and 1 in an image of the same scene as another.

    The same numbers where both count alike: pixels of one type, floats of any size, integers of more than 8 bits, or
    integers and floats beyond `BRIGHTEST`, as the mean of many exposures is. Else the whole of its own type.

    Args:
        partner: the image.
        dtype: of the other one.
        value_range: of the other one; None if its type says it.

    Returns:
        None if the partner's type says it.
    """
    one, other = ((each.kind.replace("u", "i"), min(each.itemsize, 2)) for each in (partner.dtype, dtype))
    if one == other:
        return value_range
    if one[0] == "f" and other[0] == "i" and np.ma.abs(np.ma.masked_invalid(partner)).max() > BRIGHTEST:
        return value_range or range_of_type(dtype)
    counts = value_range is not None and max(map(abs, value_range)) > BRIGHTEST
    return value_range if counts and one == ("i", 2) and other[0] == "f" else None


def other_units(partner: np.ndarray, dtype: np.dtype, value_range: ValueRange | None) -> str | None:
    """What to tell of an image that `partner_range` takes by the whole of its type, beside one that is not so taken."""
    if value_range in (None, range_of_type(dtype)) or partner_range(partner, dtype, value_range):
        return None
    return f"{partner.dtype}, the whole of it for 0 to 1, beside {dtype} from {value_range}: these are other units"
