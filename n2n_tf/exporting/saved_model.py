"""Write the next version of a served model: whole and checked, or not at all."""

import contextlib
import errno
import io
import logging
import math
import os
import re
from pathlib import Path

import keras

from n2n_tf.config import UsageError
from n2n_tf.exporting.card import as_markdown, model_card, run_facts
from n2n_tf.exporting.check import check
from n2n_tf.exporting.half import cost_of_half, describe, in_half
from n2n_tf.exporting.signatures import Signature, signatures
from n2n_tf.exporting.warmup import write_warmup
from n2n_tf.files import partial_folder, write_json
from n2n_tf.inference import footprint_of, save_denoiser
from n2n_tf.inference.denoiser import SIDE_MULTIPLE
from n2n_tf.weights import load_denoiser

logger = logging.getLogger(__name__)


def export(model: str | Path, output: str | Path, max_pixels: int, half: str | None = None) -> Path:
    """Export a denoiser for TensorFlow Serving.

    The SavedModel, denoiser.keras with its weights, warm-up requests and a model card are written aside, compared with
    the live network through TensorFlow's C++ loader, and renamed into place: a server that polls the directory never
    sees half a model.

    Args:
        model: run directory or .keras file.
        output: directory of the model; each export makes a numbered version in it.
        max_pixels: of one run of the network, sides rounded up; larger images and batches are refused.
        half: a name of `HALVES`: weights and arithmetic in half precision. What that costs is measured and said.

    Returns:
        The version's directory.

    Raises:
        UsageError: no denoiser, damaged files of its run, or an output that cannot hold versions.
        RunError: the export differs from the network.
        OSError: the output cannot be written.
    """
    network, made, output = load_denoiser(model), run_facts(model), Path(output)
    if output.exists() and not output.is_dir():
        raise UsageError(f"`output` {output}: is a file; name a directory")
    output.mkdir(parents=True, exist_ok=True)
    cost, full = None, network
    if half:
        network = in_half(full, half)
        cost = {"dtype": half, **cost_of_half(full, network)}
        logger.info(describe(cost))
    multiple = side_multiple(network)
    functions = signatures(network, multiple, max_pixels)
    with partial_folder(output) as folder:  # of its own: exports may run side by side
        aside = folder / "version"
        write_saved_model(network, functions, aside)
        write_warmup(functions, aside / "assets.extra" / "tf_serving_warmup_requests")
        save_denoiser(network, aside / "denoiser.keras", full)
        card = model_card(network, made, list(functions), multiple, max_pixels, check(network, aside), cost)
        write_json(aside / "model_card.json", card)
        (aside / "model_card.md").write_text(as_markdown(card), encoding="utf-8")
        version = publish(aside, output)
    if "encoded" not in functions:
        logger.info("no signature `encoded`: PNG and JPEG hold 1 or 3 channels, not %d", network.input_shape[-1])
    return version


def publish(aside: Path, output: Path) -> Path:
    """Rename a whole version to the next free number."""
    while True:
        numbers = (int(path.name) for path in output.iterdir() if re.fullmatch("[0-9]{1,18}", path.name))
        version = output / str(1 + max(numbers, default=0))
        try:
            os.rename(aside, version)
            return version
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another export was faster
                raise


def write_saved_model(network: keras.Model, functions: dict[str, Signature], path: Path) -> None:
    """Write the SavedModel."""
    archive = keras.export.ExportArchive()
    archive.track(network)
    for name, (function, specifications) in functions.items():
        archive.add_endpoint(name, function, list(specifications))
    with contextlib.redirect_stdout(io.StringIO()):  # not every version can be told to be quiet
        archive.write_out(str(path))


def side_multiple(network: keras.Model) -> int:
    """What sides are padded to: the network's cell, if it can be told."""
    try:
        return math.lcm(SIDE_MULTIPLE, footprint_of(network).cell)
    except ValueError:
        return SIDE_MULTIPLE
