"""Training methods: Keras models that train a network they are given."""

import importlib
from typing import Any

_HOMES = {
    "BetaRise": "beta",
    "Blind2Unblind": "blind2unblind",
    "GammaRamp": "gamma",
    "Laine19": "laine19",
    "METHODS": "settings",
    "Method": "base",
    "Neighbor2Neighbor": "neighbor2neighbor",
    "Noise2Void": "noise2void",
    "Noisier2Noise": "noisier2noise",
    "Recorrupted2Recorrupted": "recorrupted2recorrupted",
    "Renoised": "renoised",
    "Supervised": "supervised",
}


def __getattr__(name: str) -> Any:
    """Import on first use: settings are checked before TensorFlow is loaded."""
    if name not in _HOMES:
        raise AttributeError(f"module 'n2n_tf.methods' has no attribute {name!r}")
    return getattr(importlib.import_module(f"n2n_tf.methods.{_HOMES[name]}"), name)
