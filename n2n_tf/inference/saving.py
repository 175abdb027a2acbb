"""Trained denoisers to files: for this Keras, and for the other."""

from pathlib import Path

import h5py
import keras

from n2n_tf.config import UsageError, gist
from n2n_tf.files import write

MOST_BYTES = 2**31  # of an unpacked file; the paper's U-Net has 5 MB
NAME = "network"  # attribute of a .weights.h5 file: the network's name


def save_denoiser(network: keras.Model, path: Path) -> None:
    """Write a .keras file, and beside it its weights, the one form that Keras 2 and 3 both read."""

    def save_weights(temporary: Path) -> None:
        network.save_weights(temporary)
        with h5py.File(temporary, "r+") as file:
            file.attrs[NAME] = network.name

    write(weights_beside(path), save_weights)
    write(path, network.save)


def weights_beside(path: str | Path) -> Path:
    """The .weights.h5 file of a .keras file."""
    return Path(path).with_suffix(".weights.h5")


def described(path: Path) -> tuple[str | None, int, int]:
    """The network's name if it is told, its channels and its features: those of the first convolution.

    Raises:
        UsageError: no .weights.h5 file of Keras, or one that unpacks to too much.
    """
    sizes: list[int] = []
    try:
        with h5py.File(path) as file:
            file.visititems(lambda name, item: sizes.append(getattr(item, "nbytes", 0)))
            _, _, channels, features = file["layers/conv2d/vars/0"].shape
            name = file.attrs.get(NAME)
    except Exception as error:  # what a damaged file makes h5py raise is open-ended
        raise UsageError(f"{path}: not a .weights.h5 file of a denoiser: {gist(error)}") from error
    if sum(sizes) > MOST_BYTES:
        raise UsageError(f"{path}: unpacks to {sum(sizes) / 1e9:.1f} GB; at most {MOST_BYTES / 1e9:.1f} are read")
    return name, channels, features
