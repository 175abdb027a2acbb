"""Trained denoisers to files: for this Keras, and for the other."""

import contextlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras

from n2n_tf.config import UsageError, gist
from n2n_tf.files import partial_name, write
from n2n_tf.inference.ranged import RESCALING, range_of
from n2n_tf.value_range import ValueRange

MOST_BYTES = 2**31  # of an unpacked file; the paper's U-Net has 5 MB
LAYERS, RANGE = "layers", "value_range"  # attributes of a .weights.h5 file


def save_denoiser(network: keras.Model, path: Path, full: keras.Model | None = None) -> None:
    """Write a .keras file, and beside it its weights, the one form that Keras 2 and 3 both read.

    The file loads on each of Keras 3's backends.

    Args:
        network: the denoiser.
        path: of the .keras file.
        full: the same before it was made half precision, which weights are not stored in.
    """

    def write_both(weights: Path) -> None:
        weights.write_bytes(_weights_of(full or network, network, weights.parent))
        write(path, network.save)

    with _of_one_replica(network):
        write(weights_beside(path), write_both)


@contextlib.contextmanager
def _of_one_replica(network: keras.Model) -> Iterator[None]:
    """Batch normalization without means over replicas: training wants them, and only TensorFlow can load them."""
    synchronized = [layer for layer in network.layers if getattr(layer, "synchronized", False)]
    for layer in synchronized:
        layer.synchronized = False
    try:
        yield
    finally:
        for layer in synchronized:
            layer.synchronized = True


def _weights_of(network: keras.Model, told: keras.Model, folder: Path) -> bytes:
    """A .weights.h5 file: made in memory, as in a .keras file, since HDF5 crashes where a disk is full."""
    archive = folder / partial_name("network.keras")
    try:
        network.save(archive)
        with zipfile.ZipFile(archive) as members:
            weights = io.BytesIO(members.read("model.weights.h5"))
    finally:
        archive.unlink(missing_ok=True)
    with h5py.File(weights, "r+") as file:
        file.attrs[LAYERS] = layers_of(told)
        if value_range := range_of(told):
            file.attrs[RANGE] = tuple(value_range)
    return weights.getvalue()


def weights_beside(path: str | Path) -> Path:
    """The .weights.h5 file of a .keras file."""
    return Path(path).with_suffix(".weights.h5")


def layers_of(network: keras.Model) -> str:
    """The names of its layers that have weights, and of the last: networks of equal weights can differ there."""
    layers = [layer for layer in network.layers if layer.name not in RESCALING]
    return "\n".join(layer.name for layer in layers if layer.weights or layer is layers[-1])


def read_form(weights: Path) -> tuple[str, int, int, ValueRange | None]:
    """What a .weights.h5 file tells of its network.

    Returns:
        Its layers, as `layers_of`, empty if it does not tell; channels and features of its first convolution, 0 if it
        has none; its value range, if it has one inside.

    Raises:
        UsageError: no .weights.h5 file of Keras, or one that unpacks to too much.
    """
    sizes: list[int] = []
    try:
        with h5py.File(weights) as file:
            file.visititems(lambda name, item: sizes.append(getattr(item, "nbytes", 0)))
            layers = file.attrs.get(LAYERS, "")
            value_range = ValueRange(*map(float, file.attrs[RANGE])) if RANGE in file.attrs else None
            kernel = file["layers/conv2d/vars/0"].shape if "layers/conv2d/vars/0" in file else (0,) * 4
    except Exception as error:  # what a damaged file makes h5py raise is open-ended
        raise UsageError(f"{weights}: not a .weights.h5 file of Keras: {gist(error)}") from error
    total = sum(sizes)
    if total > MOST_BYTES:
        raise UsageError(f"{weights}: unpacks to {total / 1e9:.1f} GB; at most {MOST_BYTES / 1e9:.1f} are read")
    channels, features = kernel[2:] if len(kernel) == 4 else (0, 0)
    if features**2 > total:  # each of our networks has a convolution from features to features
        channels = features = 0
    return layers if isinstance(layers, str) else "", channels, features, value_range
