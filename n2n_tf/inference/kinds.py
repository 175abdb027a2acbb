"""What kind of images a denoiser takes, told by what is inside it."""

from typing import Any

import keras

from n2n_tf.compat import output_shape
from n2n_tf.config.kinds import CHANNELS, MOSAIC, kind_by_count
from n2n_tf.inference.ranged import range_of


def kind_of_network(network: keras.Model) -> str:
    """A name of `KINDS`. Planes of a mosaic have black at 0 and white at 1; any other 4 channels have a value range."""
    kind = kind_by_count(network.inputs[0].shape[-1])
    return CHANNELS if kind == MOSAIC and range_of(network) is not None else kind


def channels_of(network: keras.Model) -> int:
    """C of a network from [B, H, W, C] to [B, H, W, C], of any H and W.

    Raises:
        ValueError: it has another form.
    """
    shapes: tuple[Any, Any] = getattr(network, "input_shape", None), getattr(network, "output_shape", None)
    flat = isinstance(shapes[0], tuple) and len(shapes[0]) == 4 and not isinstance(shapes[0][-1], tuple)
    if not flat or shapes[0] != shapes[1] or shapes[0][1:3] != (None, None) or shapes[0][-1] is None:
        raise ValueError(
            f"it takes {shapes[0]} and gives {shapes[1]}; wanted a network that takes and gives "
            "(None, None, None, channels)"
        )
    probe = (1, 192, 192, shapes[0][-1])
    result = output_shape(network, probe)
    if result != probe:
        raise ValueError(f"it makes {result[1]}×{result[2]} pixels of {probe[1]}×{probe[2]}; wanted equal sizes")
    return shapes[0][-1]
