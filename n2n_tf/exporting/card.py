"""The model card: what the model is, how it was made, how to call it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from n2n_tf import __version__
from n2n_tf.inference import footprint_of

LICENSE = "The weights belong to whoever trained them; the license of the training images may bind their use."


def model_card(
    model: str | Path, network: keras.Model, names: Sequence[str], max_pixels: int, differences: Mapping[str, float]
) -> tuple[dict[str, Any], str]:
    """For programs, and as Markdown for people.

    Args:
        model: run directory or .keras file; a run directory tells how the model was made.
        network: the model itself.
        names: of the signatures.
        max_pixels: limit of `encoded`.
        differences: of the export from the network, by signature.
    """
    run, report = _read(Path(model) / "config.json"), _read(Path(model) / "report.json")
    made = {**run.get("config", {}), **report}
    told = ("method", "noise", "sigma", "lam", "noise_once", "seed", "data", "training_images", "seconds")
    card = {
        "network": {"name": network.name, "channels": network.input_shape[-1], "parameters": network.count_params()},
        "receptive_field": _receptive_field(network),
        "training": {name: made[name] for name in told if name in made},
        "scores": report.get("scores", {}),
        "versions": {"n2n_tf": __version__, "tensorflow": tf.__version__, "keras": keras.__version__},
        "trained_with": run.get("environment", {}),
        "signatures": list(names),
        "max_pixels": max_pixels,
        "difference_from_network": dict(differences),
        "license": LICENSE,
    }
    return card, _markdown(card)


def _markdown(card: Mapping[str, Any]) -> str:
    network, channels = card["network"], card["network"]["channels"]
    lines = [
        f"# A denoiser: {network['name']}, {channels} channels, {network['parameters']:,} parameters",
        "",
        "Trained from noisy images alone, by Neighbor2Neighbor (Huang et al., CVPR 2021).",
        "",
        *_table("training", card["training"]),
        *_table("scores on held-out images (PSNR in dB)", card["scores"]),
        *_table("versions at export", card["versions"]),
        *_table("largest difference between export and network", card["difference_from_network"]),
        f"Receptive field: {card['receptive_field'] or 'not known'} pixels.",
        "",
        "## How to call it",
        "",
        "TensorFlow Serving, REST, float images [batch, height, width, channels] in [0, 1]:",
        "",
        f"    curl -d '{{\"instances\": [[[{[0.5] * channels}]]]}}' HOST:8501/v1/models/n2n:predict",
        "",
    ]
    if "encoded" in card["signatures"]:
        lines += [
            f"PNG (8 or 16 bits) or JPEG files of at most {card['max_pixels']:,} pixels. The answer is a PNG of the",
            "same depth, without EXIF, ICC profile and alpha:",
            "",
            '    echo \'{"signature_name": "encoded", "instances": [{"b64": "\'$(base64 -w0 photo.png)\'"}]}\' |',
            "        curl -d @- HOST:8501/v1/models/n2n:predict",
            "",
        ]
    lines += [
        'Keras, without n2n_tf, sides multiples of 32: `keras.models.load_model("denoiser.keras")`',
        "",
        card["license"],
    ]
    return "\n".join(lines) + "\n"


def _table(title: str, values: Mapping[str, Any]) -> list[str]:
    if not values:
        return []
    return [f"| {title} | |", "|---|---|", *(f"| {name} | {value} |" for name, value in values.items()), ""]


def _receptive_field(network: keras.Model) -> int | None:
    try:
        return footprint_of(network).receptive_field
    except ValueError:
        return None


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
