"""What kind of images a denoiser takes, told by what is inside it."""

import keras

from n2n_tf.config.kinds import CHANNELS, MOSAIC, kind_by_count
from n2n_tf.inference.ranged import range_of


def kind_of_network(network: keras.Model) -> str:
    """A name of `KINDS`. Planes of a mosaic have black at 0 and white at 1; any other 4 channels have a value range."""
    kind = kind_by_count(network.inputs[0].shape[-1])
    return CHANNELS if kind == MOSAIC and range_of(network) is not None else kind
