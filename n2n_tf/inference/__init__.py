"""Use a denoiser: array in, array out."""

from n2n_tf.inference.denoiser import Denoiser, denoise
from n2n_tf.inference.footprint import Footprint, footprint_of
from n2n_tf.inference.loading import load_denoiser
from n2n_tf.inference.saving import described, save_denoiser, weights_beside

__all__ = ["Denoiser", "Footprint", "denoise", "described", "footprint_of", "load_denoiser", "save_denoiser",
           "weights_beside"]  # fmt: skip
