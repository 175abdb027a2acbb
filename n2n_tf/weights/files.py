"""Denoisers from the weights that lie beside their .keras file: the one form that Keras 2 and 3 both read."""

import warnings
from pathlib import Path

import keras

from n2n_tf.config import UsageError, gist, lookup
from n2n_tf.inference import in_range, layers_of, read_form
from n2n_tf.networks import NETWORKS


def from_weights(source: Path, name: str | None = None) -> keras.Model:
    """One of our networks, with the weights of a .weights.h5 file, and the value range that it tells.

    Args:
        source: the file; it may store them in half precision.
        name: of the network, where the file does not tell.

    Raises:
        UsageError: no such file of Keras, or of another network.
    """
    layers, channels, features, value_range = read_form(source)
    builds = {name: lookup(NETWORKS, name, "`network`")} if name else NETWORKS
    networks = (build(channels, features=features) for build in builds.values() if channels and features)
    network = next((each for each in networks if name or layers_of(each) == layers), None)
    if network is None:
        told = "holds none of our networks" if layers or not features else "does not tell its network"
        raise UsageError(
            f"{source}: {told}; say `network` {', '.join(NETWORKS)}, or build your own and call its load_weights"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one for each layer that does not fit, and then the error
            network.load_weights(source)
    except Exception as error:  # what a damaged file makes h5py and Keras raise is open-ended
        raise UsageError(f"{source}: does not fit {network.name}: {gist(error)}") from error
    return in_range(network, value_range)


def name_of(network: keras.Model) -> tuple[str, int]:
    """Which of our networks it is, and its width.

    Raises:
        UsageError: it is none.
    """
    kernels = [each.shape for each in network.get_weights() if len(each.shape) == 4]
    features, layers = int(kernels[0][-1]) if kernels else 0, layers_of(network)
    for name, build in NETWORKS.items():
        if features and layers_of(build(network.input_shape[-1], features=features)) == layers:
            return name, features
    raise UsageError(f"{network.name}: is none of our networks; wanted one of {', '.join(NETWORKS)}")
