"""A trained denoiser as a service: the SavedModel that TensorFlow Serving loads."""

from n2n_tf.exporting.formats import export_core
from n2n_tf.exporting.saved_model import export

__all__ = ["export", "export_core"]
