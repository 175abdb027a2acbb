"""What noise is in these images, and what does a denoiser gain, without clean images. NumPy and SciPy alone.

Each meter of `METERS` takes images, float [H, W] or [H, W, C] in units of their value range, one after the other, and
gives a frozen dataclass: values with their standard errors, what they were measured on, and notes for the user. `sure`
and `umse` take a denoiser as well, a function from array to array, and give a `Gain`.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from n2n_tf.meter.artefact import Artefact
from n2n_tf.meter.clipping import clipping
from n2n_tf.meter.correlation import Correlation, correlation
from n2n_tf.meter.gain import Gain
from n2n_tf.meter.hot_pixels import hot_pixels
from n2n_tf.meter.jpeg_grid import jpeg_grid
from n2n_tf.meter.jpeg_steps import jpeg_steps
from n2n_tf.meter.level import Level, level
from n2n_tf.meter.periodic_lines import periodic_lines
from n2n_tf.meter.poisson_gaussian import PoissonGaussian, poisson_gaussian
from n2n_tf.meter.quantisation import quantisation
from n2n_tf.meter.repeated_pixels import repeated_pixels
from n2n_tf.meter.sure import sure
from n2n_tf.meter.umse import umse

ARTEFACTS: dict[str, Callable[[Iterable[np.ndarray]], Artefact]] = {
    "clipping": clipping,
    "quantisation": quantisation,
    "jpeg_grid": jpeg_grid,
    "jpeg_steps": jpeg_steps,
    "periodic_lines": periodic_lines,
    "hot_pixels": hot_pixels,
    "repeated_pixels": repeated_pixels,
}
METERS: dict[str, Callable[[Iterable[np.ndarray]], Any]] = {
    "level": level,
    "poisson_gaussian": poisson_gaussian,
    "correlation": correlation,
    **ARTEFACTS,
}

__all__ = ["ARTEFACTS", "METERS", "Artefact", "Correlation", "Gain", "Level", "PoissonGaussian", "sure", "umse"]
