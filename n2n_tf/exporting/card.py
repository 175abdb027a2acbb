"""The model card: what the model is, how it was made, how to call it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from n2n_tf import __version__
from n2n_tf.config import UsageError
from n2n_tf.files import check_format
from n2n_tf.inference import Footprint, footprint_of, kind_of_network, range_of
from n2n_tf.noise.settings import NOISES
from n2n_tf.training.records import FORMAT
from n2n_tf.weights import SHIPPED

LICENSE = "The weights belong to whoever trained them; the license of the training images may bind their use."


def run_facts(model: str | Path) -> dict[str, Any]:
    """What a run directory tells of how its denoiser was made; nothing for a .keras file.

    Raises:
        UsageError: config.json or report.json is damaged.
        RunError: config.json is of a later version.
    """
    facts: dict[str, Any] = {}
    for name in ("config.json", "report.json") if str(model) not in SHIPPED else ():
        path = Path(model) / name
        if path.is_file():
            try:
                facts[name] = dict(json.loads(path.read_text(encoding="utf-8")))
                check_format(facts[name] if name == "config.json" else {}, FORMAT, path)
            except (ValueError, TypeError) as error:
                raise UsageError(f"{path}: is damaged: {error}") from error
    config, report = facts.get("config.json", {}).get("config", {}), facts.get("report.json", {})
    noise = NOISES.get(config.get("noise"))
    levels = [each.name for each in dataclasses.fields(noise)] if noise else []
    told = ["method", "noise", *levels, "epochs", "seed", "data", "training_images", "scored_images", "seconds"]
    made = {**config, **report}
    return {
        "training": {name: made[name] for name in told if name in made},
        "scores": report.get("scores", {}),
        "trained_with": facts.get("config.json", {}).get("environment", {}),
    }


def model_card(
    network: keras.Model,
    made: Mapping[str, Any],
    names: Sequence[str],
    multiple: int,
    max_pixels: int,
    differences: Mapping[str, float],
    half: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The card, for programs.

    Args:
        network: the model itself.
        made: of `run_facts`.
        names: of the signatures.
        multiple: what sides must be multiples of, for the network alone.
        max_pixels: largest image or batch that the signatures accept.
        differences: of the export from the network, by signature.
        half: what half precision costs, if it was asked for.
    """
    footprint, value_range = _footprint(network), range_of(network)
    return {
        "network": {"name": network.name, "channels": network.input_shape[-1], "parameters": network.count_params()},
        "kind": kind_of_network(network),
        "side_multiple": multiple,
        "value_range": value_range and list(value_range),
        "reach": footprint and footprint.reach,
        "receptive_field": footprint and footprint.receptive_field,
        **made,
        "versions": {"n2n_tf": __version__, "tensorflow": tf.__version__, "keras": keras.__version__},
        "signatures": list(names),
        "max_pixels": max_pixels,
        "difference_from_network": dict(differences),
        "half": dict(half) if half else None,
        "license": LICENSE,
    }


def as_markdown(card: Mapping[str, Any]) -> str:
    """The card, for people."""
    network, channels = card["network"], card["network"]["channels"]
    method = card["training"].get("method")
    lines = [
        f"# A denoiser: {network['name']}, {channels} channels, {network['parameters']:,} parameters",
        "",
        f"Trained by n2n_tf, method {method}." if method else "How it was trained is not known.",
        "",
        *table("training", card["training"]),
        *table("scores (psnr in dB)", card["scores"]),
        *table("versions at export", card["versions"]),
        *table("largest difference between export and network", card["difference_from_network"]),
        *table("half precision, against float32", card["half"] or {}),
        f"Receptive field: {card['receptive_field'] or 'not known'} pixels; reach beyond a cell of "
        f"{card['side_multiple']}: {card['reach'] or 'not known'}.",
        "",
        "## How to call it",
        "",
        f"TensorFlow Serving, REST, float images [batch, height, width, channels] {_units(card)},",
        f"at most {card['max_pixels']:,} pixels in all, sides rounded up to multiples of {card['side_multiple']}:",
        "",
        f"    curl -d '{{\"instances\": [[[{[_middle(card)] * channels}]]]}}' HOST:8501/v1/models/n2n:predict",
        "",
    ]
    if "encoded" in card["signatures"]:
        lines += [
            "PNG (8 or 16 bits) or JPEG files, each of at most as many pixels. The answer is a PNG of the same depth,",
            "without EXIF, ICC profile and alpha:",
            "",
            '    echo \'{"signature_name": "encoded", "instances": [{"b64": "\'$(base64 -w0 photo.png)\'"}]}\' |',
            "        curl -d @- HOST:8501/v1/models/n2n:predict",
            "",
        ]
    if "mosaic" in card["signatures"]:
        lines += [
            "The signature `mosaic` takes Bayer mosaics, float32 [batch, height, width, 1], (raw - black) / (white -",
            "black), not clipped, and a `pattern` for each: RGGB, GRBG, GBRG or BGGR.",
            "",
        ]
    keras_call = '`keras.models.load_model("denoiser.keras")`'
    lines += [
        f"Keras, without n2n_tf, sides multiples of {card['side_multiple']}: {keras_call}", "", card["license"],
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _units(card: Mapping[str, Any]) -> str:
    if card["value_range"] is None:
        return "in [0, 1]"
    low, high = card["value_range"]
    return f"as the instrument gives them, most from {low:g} to {high:g}"


def _middle(card: Mapping[str, Any]) -> float:
    return sum(card["value_range"] or (0.0, 1.0)) / 2


def table(title: str, values: Mapping[str, Any]) -> list[str]:
    """Lines of a table of two columns; none for no values."""
    if not values:
        return []
    return [f"| {title} | |", "|---|---|", *(f"| {name} | {value} |" for name, value in values.items()), ""]


def _footprint(network: keras.Model) -> Footprint | None:
    try:
        return footprint_of(network)
    except ValueError:
        return None
