"""A denoiser in the units of images: its value range inside the network, and what arrays of a type become for it."""

import keras
import numpy as np

from n2n_tf import compat
from n2n_tf.intensities import check_intensities
from n2n_tf.value_range import UNIT, ValueRange, range_of_type

RESCALING = TO_UNIT, FROM_UNIT = "to_unit", "from_unit"  # layers
WHOLE = ("uint8", "uint16")  # integers that a network without a range takes, their largest value as 1


def in_range(network: keras.Model, value_range: ValueRange | None) -> keras.Model:
    """The network between two Rescaling layers, so that it takes and gives images in their own units.

    Args:
        network: functional, float32 [B, H, W, C] with the range at 0 to 1.
        value_range: which intensities these are; None gives the network itself.

    Returns:
        A network of its own, of equal weights.
    """
    if value_range is None:
        return network
    low, span = value_range.low, value_range.span
    image = keras.Input(network.inputs[0].shape[1:], name="image")
    rescaling = keras.layers.Rescaling
    unit = rescaling(1 / span, -low / span, dtype="float32", name=TO_UNIT)(image)
    denoised = rescaling(span, low, dtype="float32", name=FROM_UNIT)(compat.through(network, unit))
    ranged = keras.Model(image, denoised, name=network.name)
    ranged.set_weights(network.get_weights())
    return ranged


def range_of(network: keras.Model) -> ValueRange | None:
    """The intensities that a network was made for; None if it takes 0 to 1."""
    last = {layer.name: layer for layer in getattr(network, "layers", ())}.get(FROM_UNIT)
    if not isinstance(last, keras.layers.Rescaling):
        return None
    return ValueRange(last.offset, last.offset + last.scale)


class Units:
    """What arrays become for a network, and back.

    Without a range the network takes intensities in [0, 1]: uint8 and uint16 are divided by their largest value, floats
    are as they are. With one inside, all numbers go in as they are. Numbers in other units go in as those of the
    network's own that `told` names.

    Args:
        own: of the network.
        told: the arrays' intensities that stand for the network's own range.
    """

    def __init__(self, own: ValueRange | None, told: ValueRange | None = None):
        self.own, self.told = own, None if own is None and told == UNIT else told

    def check(self, image: np.ndarray) -> None:
        """Raise ValueError for a type, or floats without a range, that cannot be told what they mean."""
        kind, name = image.dtype.kind, image.dtype.name
        if kind not in "iuf" or image.dtype.itemsize > (8 if kind == "f" else 4):
            raise ValueError(f"the image is {name}; wanted integers of at most 32 bits or floats of 64: convert it")
        if self.own or self.told:
            return
        if kind != "f" and name not in WHOLE:
            raise ValueError(
                f"the image is {name}; this denoiser takes intensities in [0, 1], uint8 or uint16: say which numbers "
                "stand for 0 and 1 (its value range)"
            )
        check_intensities(image)

    def scale(self, dtype: np.dtype) -> ValueRange:
        """Which numbers of arrays of a type are 0 and 1 of the value range."""
        return self.told or self.own or range_of_type(dtype)

    def to_unit(self, numbers: np.ndarray) -> np.ndarray:
        """The network's float32, the value range at 0 to 1."""
        return self.own.to_unit(numbers) if self.own else numbers

    def enter(self, image: np.ndarray) -> np.ndarray:
        """Of any type -> float32, for the network."""
        if self.told:
            unit = self.told.to_unit(image)
            return self.own.from_unit(unit).astype(np.float32) if self.own else unit
        if self.own or image.dtype.kind == "f":
            return image.astype(np.float32)
        return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)

    def leave(self, result: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """The inverse, of the network's float32; of `dtype`, integers rounded and clipped to what it holds."""
        if self.told:
            result = self.told.from_unit(self.own.to_unit(result) if self.own else result)
        elif not self.own and dtype.kind != "f":
            result = np.clip(result, 0, 1) * np.float32(np.iinfo(dtype).max)
        if dtype.kind == "f":
            return result.astype(dtype)
        if dtype.itemsize > 2:
            result = result.astype(np.float64)  # its largest value is no float32
        limits = np.iinfo(dtype)
        return np.floor(np.clip(result, limits.min, limits.max) + result.dtype.type(0.5)).astype(dtype)
