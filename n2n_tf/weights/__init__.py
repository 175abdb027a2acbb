"""Denoisers that come with the package, and any that are weights of our networks."""

from n2n_tf.weights.files import from_weights, name_of
from n2n_tf.weights.shipped import SHIPPED, load_denoiser

__all__ = ["SHIPPED", "from_weights", "load_denoiser", "name_of"]
