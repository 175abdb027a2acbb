"""Use a denoiser: array in, array out."""

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
