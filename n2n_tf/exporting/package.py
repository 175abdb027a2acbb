"""A bioimage.io package: what programs of microscopists load a model from, with all that they need to run it."""

import contextlib
import difflib
import io
import logging
import os
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.compat import KERAS_2
from n2n_tf.config import PackageSettings, RunError, UsageError, essence
from n2n_tf.config.kinds import GRAY, MOSAIC, RGB
from n2n_tf.exporting.card import run_facts
from n2n_tf.exporting.example import fitted, noisy_example
from n2n_tf.exporting.package_words import PAPER, URL, cover, documentation, title_of, units
from n2n_tf.exporting.sides import Sides, sides_of
from n2n_tf.files import partial_folder
from n2n_tf.inference import in_range, kind_of_network, range_of, save_denoiser
from n2n_tf.value_range import UNIT, ValueRange
from n2n_tf.weights import SHIPPED

logger = logging.getLogger(__name__)

CHANNELS = {GRAY: ["intensity"], RGB: ["red", "green", "blue"], MOSAIC: ["red", "green 1", "green 2", "blue"]}
FILES = "test_input.npy", "test_output.npy", "cover.png", "documentation.md", "denoiser.keras"


def in_units(network: keras.Model, limits: tuple[float, ...]) -> keras.Model:
    """The network for images whose intensities `limits` count as 0 and 1; itself without them.

    Raises:
        UsageError: it has units of its own.
    """
    if not limits:
        return network
    if own := range_of(network):
        raise UsageError(f"`range`: the denoiser takes {own} already; leave it out")
    if kind_of_network(network) == MOSAIC:
        raise UsageError("`range`: planes of a mosaic have black at 0 and white at 1; leave it out")
    return in_range(network, ValueRange(*limits))


def write_package(model: str | Path, network: keras.Model, output: Path, told: PackageSettings) -> None:
    """Write a package, once bioimageio.core has run it and found it right.

    Args:
        model: where the network is from: run directory, .keras file or a denoiser's name.
        network: float32 [B, H, W, C] in and out.
        output: a .zip file, or a folder; does not exist.
        told: what only people know.

    Raises:
        UsageError: a licence that is none, or a range for a denoiser with its own.
        RunError: Keras 2, or bioimageio.core does not accept the package.
    """
    if KERAS_2:
        raise RunError(f"`format` bioimageio: holds weights of Keras 3, and this is Keras {keras.__version__}")
    _check_license(told.license)
    facts, kind, network = run_facts(model), kind_of_network(network), in_units(network, told.range)
    sides, title = sides_of(network), told.title or title_of(model, facts)
    image, source = noisy_example(model, network)
    noisy = (range_of(network) or UNIT).from_unit(fitted(image, sides.tested)).astype(np.float32)[None]
    denoised = np.asarray(network(noisy, training=False))
    with partial_folder(output.parent) as folder:
        noise_file, result_file, picture, text, weights = (folder / name for name in FILES)
        np.save(noise_file, noisy)
        np.save(result_file, denoised)
        cover(noisy[0], denoised[0], network, kind).save(picture)
        text.write_text(documentation(model, title, network, kind, facts, sides, source), encoding="utf-8")
        save_denoiser(network, weights)
        content = {
            **_about(network, kind, told, title, facts, str(model) in SHIPPED),
            **_tensors(kind, network, sides),
            "covers": [{"source": picture.name}],
            "documentation": {"source": text.name},
        }  # fmt: skip
        os.rename(_packed(content, folder, output), output)
    logger.info("it shows, and is tested with, %s", source)


def _check_license(name: str) -> None:
    from bioimageio.spec._internal.license_id import LicenseIdLiteral

    known = typing.get_args(LicenseIdLiteral)
    if name and name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"`license` {name}: wanted an identifier of SPDX's list, CC-BY-4.0 or MIT say{hint}")


def _about(
    network: keras.Model, kind: str, told: PackageSettings, title: str, facts: Mapping[str, Any], ships: bool
) -> dict[str, Any]:
    """What the description tells besides tensors; what is not known is left out."""
    from bioimageio.spec.model import ModelDescr

    method = facts["training"].get("method")
    papers = [{"text": PAPER, "url": URL}] if ships or method == "neighbor2neighbor" else []
    config = {
        "task": "denoising",
        "architecture_type": network.name[:32],
        "model_parameter_count": network.count_params(),
    }
    limits = range_of(network)
    return {
        "format_version": ModelDescr.implemented_format_version, "type": "model", "name": title,
        "description": f"Denoiser of {kind} images, trained by n2n_tf. Takes {units(network, kind)}."[:512],
        "authors": [{"name": name} for name in told.author],
        "cite": papers,
        "tags": ["denoising", "image-restoration", "2d", "tensorflow", *(["unet"] if "unet" in network.name else []),
                 "n2n_tf", *([method] if method else [])],
        "config": {"bioimageio": config, "n2n_tf": {"kind": kind, "value_range": limits and list(limits)}},
        **({"license": told.license} if told.license else {}),
    }  # fmt: skip


def _tensors(kind: str, network: keras.Model, sides: Sides) -> dict[str, Any]:
    """Inputs, outputs and weights."""
    channels = network.input_shape[-1]
    names = CHANNELS.get(kind, [f"channel {number + 1}" for number in range(channels)])
    size = {"min": sides.least, "step": sides.step}
    halo = {"halo": sides.halo} if sides.halo else {}

    def tensor(name: str, axes: list[dict[str, Any]], file: str) -> dict[str, Any]:
        channel = {"type": "channel", "id": "channel", "channel_names": names}
        return {
            "id": name, "description": units(network, kind)[:128], "data": {"type": "float32"},
            "axes": [{"type": "batch"}, *axes, channel], "test_tensor": {"source": file},
        }  # fmt: skip

    given = [{"type": "space", "id": each, "size": size, "concatenable": bool(sides.halo)} for each in "yx"]
    result = [{"type": "space", "id": each, "size": {"tensor_id": "noisy", "axis_id": each}, **halo} for each in "yx"]
    weights = {"source": FILES[-1], "keras_version": keras.__version__, "backend": ["tensorflow", tf.__version__]}
    return {
        "inputs": [{**tensor("noisy", given, FILES[0]), "pad": {"mode": "reflect"}}],
        "outputs": [tensor("denoised", result, FILES[1])],
        "weights": {"keras_v3": weights},
    }


def _packed(content: dict[str, Any], folder: Path, output: Path) -> Path:
    """The files of a folder as a package, which bioimageio.core has run: test image, other sides, other batches.

    Raises:
        RunError: it is not accepted.
    """
    from bioimageio.core import test_model
    from bioimageio.spec import (
        InvalidDescr,
        ValidationContext,
        build_description,
        save_bioimageio_package,
        save_bioimageio_package_as_folder,
    )

    made = folder / f"package{output.suffix}"
    save = save_bioimageio_package if output.suffix else save_bioimageio_package_as_folder
    known: dict[str, Any] = {URL: None}  # not looked up: there may be no network
    with ValidationContext(root=folder, known_files=known), contextlib.redirect_stdout(io.StringIO()):
        description = build_description(content)
        if isinstance(description, InvalidDescr):
            raise RunError(f"bioimageio.spec does not accept the package: {essence(description.get_reason() or '')}")
        save(description, output_path=made)
        summary = test_model(made if output.suffix else made / "rdf.yaml")
    if summary.status != "passed":
        reasons = "; ".join(essence(error.msg) for error in summary.errors)
        raise RunError(f"bioimageio.core does not accept the package: {reasons or summary.status}")
    return made
