"""Use a denoiser: array in, array out."""

from n2n_tf.inference.denoiser import Denoiser, denoise
from n2n_tf.inference.footprint import Footprint, footprint_of
from n2n_tf.inference.loading import load_denoiser

__all__ = ["Denoiser", "Footprint", "denoise", "footprint_of", "load_denoiser"]
