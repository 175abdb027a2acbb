"""What a bioimage.io package tells people: its title, its documentation, its picture."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from n2n_tf import __version__
from n2n_tf.config.kinds import MOSAIC
from n2n_tf.evaluation.pictures import developed, to_uint8
from n2n_tf.exporting.card import LICENSE, table
from n2n_tf.exporting.sides import Sides
from n2n_tf.inference import range_of
from n2n_tf.value_range import UNIT
from n2n_tf.weights import SHIPPED

PAPER = "Huang et al., Neighbor2Neighbor: Self-Supervised Denoising from Single Noisy Images, CVPR 2021 (the method)"
URL = (
    "https://openaccess.thecvf.com/content/CVPR2021/html/Huang_Neighbor2Neighbor_Self-Supervised_Denoising_From_Single_"
    "Noisy_Images_CVPR_2021_paper.html"
)
VERSIONS = ("n2n_tf", "tensorflow", "keras")
SHOWN = 256  # largest side of each half of the picture: 500 kB are the most


def title_of(model: str | Path, facts: Mapping[str, Any]) -> str:
    """A title of what is known, in the letters that are allowed."""
    name = re.sub(r"[^A-Za-z0-9_+-]+", "-", Path(model).resolve().stem).strip("-")
    method = facts["training"].get("method", "")
    return f"Denoiser {name}"[:100] + (f" ({method})" if method else "")


def units(network: keras.Model, kind: str) -> str:
    """What numbers a network takes and gives, in at most 128 characters."""
    if kind == MOSAIC:
        return "the planes of a Bayer mosaic, R G G B, (raw - black) / (white - black), not clipped"
    if limits := range_of(network):
        return f"intensities as the instrument gives them, most from {limits}; those beyond are not clipped"
    return "intensities in [0, 1], not clipped: divide 8-bit images by 255, 16-bit ones by 65535"


def cover(noisy: np.ndarray, denoised: np.ndarray, network: keras.Model, kind: str) -> Image.Image:
    """Noisy left, denoised right, of [H, W, C]; twice as wide as high."""
    side = min(SHOWN, noisy.shape[0])
    first = (noisy.shape[0] - side) // 2
    unit = (range_of(network) or UNIT).to_unit
    parts = {name: unit(each)[first:, first:][:side, :side] for name, each in (("n", noisy), ("d", denoised))}
    halves = [to_uint8(each) for each in developed(parts, kind).values()]
    sheet = np.concatenate(halves, axis=1)
    return Image.fromarray(sheet[..., 0] if sheet.shape[-1] == 1 else sheet)


def documentation(
    model: str | Path,
    title: str,
    network: keras.Model,
    kind: str,
    facts: Mapping[str, Any],
    sides: Sides,
    source: str,
) -> str:
    """documentation.md.

    Args:
        model: where the network is from.
        title: of the package.
        network, kind: the denoiser, and the images it is for.
        facts: of `run_facts`.
        sides: that it takes.
        source: what its test image is.
    """
    training = dict(facts["training"])
    if isinstance(data := training.get("data"), list):  # where they lie is nobody's business
        training["data"] = ", ".join(Path(path).name for path in data)
    tiles = (
        f"Tiles that overlap by the halo, {sides.halo} pixels at each edge, give what the whole image gives."
        if sides.halo
        else "Tiles leave seams: give it whole images."
    )
    lines = [
        f"# {title}",
        "",
        f"A denoiser of {kind} images: {network.name}, {network.count_params():,} parameters, by n2n_tf {__version__}.",
        "",
        "## What it takes and gives",
        "",
        f"float32, axes batch, y, x, channel ({network.input_shape[-1]}): {units(network, kind)}. The same comes back.",
        f"Sides of {sides.least} + n · {sides.step} pixels, y and x alike or not. {tiles}",
        "",
        f"The test image is {source}.",
        "",
        "## How it was made",
        "",
        *_made(model, training, facts),
        "## Validation",
        "",
        "With clean images: PSNR and SSIM of noisy and denoised ones against them, `n2n-tf evaluate`. Without: whether",
        "what was taken away, noisy minus denoised, is noise alone, without edges; `n2n-tf inspect DATA` measures the",
        "noise, and what a denoiser gains there, from the noisy images themselves.",
        "",
        "It is for images like those that it was made for: the same instrument, settings and kind of specimen. On",
        "others it may leave noise, or smooth or invent detail.",
        "",
        "## Licence",
        "",
        LICENSE,
    ]
    return "\n".join(lines) + "\n"


def _made(model: str | Path, training: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    """What is known of the training."""
    if str(model) in SHIPPED:
        card = (SHIPPED[str(model)].parent / "README.md").read_text(encoding="utf-8")
        card = re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", card.partition("\n")[2])  # links lead nowhere here
        return [f"It is `{model}` of these, which come with n2n_tf:", card]
    if not training:
        return ["That is not known.", ""]
    versions = {name: facts["trained_with"][name] for name in VERSIONS if name in facts["trained_with"]}
    return [
        *table("training", training),
        *table("scores (psnr in dB)", facts["scores"]),
        *table("trained with", versions),
    ]
