"""A trained denoiser as a service: the SavedModel that TensorFlow Serving loads."""

from n2n_tf.exporting.export import export
from n2n_tf.exporting.formats import export_core

__all__ = ["export", "export_core"]
