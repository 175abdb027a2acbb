"""Other forms of the denoiser: ONNX, LiteRT, a bioimage.io package."""

import contextlib
import importlib.util
import io
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.config import FORMATS, MAX_PIXELS, PACKAGE, PackageSettings, RunError, UsageError
from n2n_tf.exporting.package import write_package
from n2n_tf.exporting.saved_model import side_multiple, write_saved_model
from n2n_tf.exporting.signatures import signatures
from n2n_tf.files import partial_folder, write
from n2n_tf.weights import load_denoiser


def export_core(
    model: str | Path,
    output: str | Path,
    form: str,
    package: PackageSettings = PackageSettings(),  # noqa: B008
) -> Path:
    """Write the denoiser of tensors in one piece: float32 [B, H, W, C] in and out.

    LiteRT pads and crops inside, any sides. ONNX is the network alone, by Keras's own exporter: sides are multiples of
    its cell, others are an error when it runs. A bioimage.io package has the network as Keras saves it, and tells which
    sides it takes.

    Args:
        model: run directory, .keras file, or a denoiser that comes with the package.
        output: file to write, or a package's folder; must not exist.
        form: one of `FORMATS`.
        package: what a bioimage.io package tells besides.

    Raises:
        UsageError: no denoiser, or an output that exists or has another suffix.
        RunError: a package is missing, or it cannot be converted.
    """
    needed, suffixes = FORMATS[form]
    output = Path(output)
    if output.suffix not in suffixes:
        folder = ", or a folder's, without a suffix" if "" in suffixes else ""
        raise UsageError(f"`output` {output}: wanted a file name that ends in {suffixes[0]}{folder}")
    if output.exists():
        raise UsageError(f"`output` {output}: exists; name another")
    if not _is_installed(needed):
        raise RunError(f"`format` {form} needs {needed}: pip install n2n-tf[{form}]")
    network = load_denoiser(model)
    output.parent.mkdir(parents=True, exist_ok=True)
    if form == PACKAGE:
        write_package(model, network, output, package)
        return output
    writer = {"onnx": _write_onnx, "litert": _write_litert}[form]
    try:
        write(output, lambda aside: writer(network, aside))
    except (TypeError, ValueError) as error:  # an older Keras does not know the format
        raise RunError(f"`format` {form}: Keras {keras.__version__} says: {error}") from error
    return output


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:  # what it lies in
        return False


def _write_onnx(network: keras.Model, path: Path) -> None:
    network(np.zeros((1, 192, 192, network.input_shape[-1]), np.float32))  # the exporter wants a model once called
    with contextlib.redirect_stdout(io.StringIO()):
        network.export(str(path), format="onnx", verbose=False)


def _write_litert(network: keras.Model, path: Path) -> None:
    """The first signature of the SavedModel; LiteRT's own layers compute garbage of sides that do not divide."""
    name, signature = next(iter(signatures(network, side_multiple(network), MAX_PIXELS).items()))
    with partial_folder(path.parent) as folder:
        write_saved_model(network, {name: signature}, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[name])
        path.write_bytes(converter.convert())
