"""Talk to a served denoiser."""

from n2n_tf.serving.client import Client
from n2n_tf.serving.transport import ServingError

__all__ = ["Client", "ServingError"]
