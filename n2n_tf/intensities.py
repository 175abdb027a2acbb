"""What pixels of an array may be."""

import numpy as np

MOST = 16  # of a float in size: noise leaves [0, 1], but not by that much
NO_NUMBERS = "pixels that are infinite or not a number; wanted intensities in [0, 1]"
BEYOND = "float pixels up to {}; wanted intensities in [0, 1]: scale {}"


def check_intensities(image: np.ndarray) -> None:
    """Raise ValueError if floats are not finite or lie far outside [0, 1]. Integers are not looked at."""
    if image.dtype.kind != "f":
        return
    if not np.isfinite(image).all():
        raise ValueError(f"the image has {NO_NUMBERS}")
    if (most := np.abs(image).max(initial=0)) > MOST:
        raise ValueError(f"the image has {BEYOND.format(f'{most:g}', 'it')}")
