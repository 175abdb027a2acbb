"""Training methods: Keras models that train a network they are given."""

from n2n_tf.methods.gamma import GammaRamp
from n2n_tf.methods.neighbor2neighbor import Neighbor2Neighbor

METHODS = {
    "neighbor2neighbor": Neighbor2Neighbor,
}

__all__ = ["METHODS", "GammaRamp", "Neighbor2Neighbor"]
