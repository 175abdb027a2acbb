"""Denoisers by name, or from files."""

import os
from pathlib import Path

import keras

from n2n_tf import inference
from n2n_tf.config import UsageError
from n2n_tf.weights.files import from_weights

SHIPPED = {path.name.partition(".")[0]: path for path in sorted(Path(__file__).parent.glob("*.weights.h5"))}


def load_denoiser(path: str | Path) -> keras.Model:
    """Load a denoiser: one of `SHIPPED`, which come with the package, a run directory or a .keras file.

    A file or folder of such a name is ./blind, say. What a file holds is data: see `inference.load_denoiser`.

    Raises:
        UsageError: nothing there, no .keras file, not a denoiser, or of Keras 2 under Keras 3 and the other way round.

    Examples:
        >>> import n2n_tf
        >>> n2n_tf.load_denoiser("blind").input_shape
        (None, None, None, 3)
    """
    if str(path) in SHIPPED:
        return from_weights(SHIPPED[str(path)])
    if not os.path.exists(path):
        raise UsageError(
            f"{path}: no such model; wanted a run directory (with denoiser.keras), a .keras file, or one that comes "
            f"with n2n-tf: {', '.join(SHIPPED)}"
        )
    return inference.load_denoiser(path)
