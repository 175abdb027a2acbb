"""Use a denoiser: array in, array out."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from n2n_tf.inference.denoiser import Denoiser, denoise
    from n2n_tf.inference.footprint import Footprint, footprint_of
    from n2n_tf.inference.kinds import kind_of_network
    from n2n_tf.inference.loading import load_denoiser
    from n2n_tf.inference.ranged import RESCALING, in_range, range_of
    from n2n_tf.inference.saving import layers_of, read_form, save_denoiser, weights_beside

__all__ = [
    "RESCALING", "Denoiser", "Footprint", "denoise", "footprint_of", "in_range", "kind_of_network", "layers_of",
    "load_denoiser", "range_of", "read_form", "save_denoiser", "weights_beside",
]  # fmt: skip
_HOMES = {
    "Denoiser": "denoiser",
    "Footprint": "footprint",
    "RESCALING": "ranged",
    "denoise": "denoiser",
    "footprint_of": "footprint",
    "in_range": "ranged",
    "kind_of_network": "kinds",
    "layers_of": "saving",
    "load_denoiser": "loading",
    "range_of": "ranged",
    "read_form": "saving",
    "save_denoiser": "saving",
    "weights_beside": "saving",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import on first use: a client of a server cuts tiles without TensorFlow."""
        if name not in _HOMES:
            raise AttributeError(f"module 'n2n_tf.inference' has no attribute {name!r}")
        return getattr(importlib.import_module(f"n2n_tf.inference.{_HOMES[name]}"), name)
