"""The images of a request that was answered, as its inspection takes them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from n2n_tf.config.kinds import MOSAIC, kind_by_count
from n2n_tf.exporting.signatures import PNG
from n2n_tf.formats import bayer
from n2n_tf.inference.denoiser import SIDE_MULTIPLE
from n2n_tf.value_range import UNIT, ValueRange

SIGNATURES = {  # that have an image: its input, its output
    "serving_default": ("image", "denoised"),
    "uint8": ("image", "denoised"),
    "encoded": ("image_bytes", "denoised_bytes"),
    "mosaic": ("mosaic", "denoised"),
}
Tensors = Mapping[str, np.ndarray]
DEPTH = 24  # byte of a PNG with the bits of a value
PLANES = ("R", "G1", "G2", "B")


class UnsuitableError(ValueError):
    """A request that cannot be inspected; the text says why."""


@dataclass(frozen=True)
class Answered:
    """One image of a request, and its answer.

    Attributes:
        model, version: that gave it.
        signature: a name of `SIGNATURES`.
        noisy, denoised: [H, W, C], or bytes of a file.
        pattern: of a mosaic.
        ticket: by which the client asks for the inspection; empty if it cannot.
    """

    model: str
    version: int
    signature: str
    noisy: Any
    denoised: Any
    pattern: str = ""
    ticket: str = ""


@dataclass(frozen=True)
class Card:
    """What an export's model card says of the numbers that a model takes.

    Attributes:
        channels: of the network.
        names: of the kinds of channels that are measured alone; one for all together.
        value_range: inside the model; None if it takes 0 to 1.
        multiple: of sides, by which the model's cells begin.
    """

    channels: int
    names: tuple[str, ...]
    value_range: ValueRange | None
    multiple: int

    @property
    def scale(self) -> ValueRange:
        return self.value_range or UNIT


def card_of(version: Path) -> Card:
    """Read the card of a version.

    Raises:
        UnsuitableError: it has none.
    """
    try:
        facts = json.loads((version / "model_card.json").read_text(encoding="utf-8"))
        channels, limits = int(facts["network"]["channels"]), facts.get("value_range")
        kind = facts.get("kind") or kind_by_count(channels)
        multiple = int(facts.get("side_multiple", SIDE_MULTIPLE))
        return Card(channels, _names(kind, channels), limits and ValueRange(*limits), multiple)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnsuitableError("the model has no card, model_card.json, that says what its numbers mean") from error


def _names(kind: str, channels: int) -> tuple[str, ...]:
    if kind == MOSAIC:
        return PLANES
    return ("all",) if channels in (1, 3) else tuple(f"channel {number + 1}" for number in range(channels))


@dataclass(frozen=True)
class Pair:
    """Noisy and denoised image in the numbers that `serving_default` takes and gives.

    Attributes:
        noisy, denoised: float32 [H, W, C].
        ends: between which the answer was cut off; None if it was not.
    """

    noisy: np.ndarray
    denoised: np.ndarray
    ends: tuple[float, float] | None


def pair_of(answered: Answered, card: Card) -> Pair:
    """Decode the images of a request, as the model did."""
    arrays = [_array(each, answered, card) for each in (answered.noisy, answered.denoised)]
    peak = np.iinfo(arrays[0].dtype).max if arrays[0].dtype.kind == "u" else None
    unit = np.float32(peak if peak and card.value_range is None else 1)
    noisy, denoised = (array.astype(np.float32) / unit for array in arrays)
    return Pair(noisy, denoised, None if peak is None else (0.0, float(peak / unit)))


def _array(value: Any, answered: Answered, card: Card) -> np.ndarray:
    if answered.signature == "mosaic":
        return bayer.pack(value[..., 0], answered.pattern)
    if answered.signature != "encoded":
        return value
    if not value.startswith(PNG):
        return tf.io.decode_jpeg(value, card.channels, dct_method="INTEGER_ACCURATE").numpy()
    return tf.io.decode_png(value, card.channels, tf.uint16 if value[DEPTH] == 16 else tf.uint8).numpy()


def first_of(key: tuple[str, int], signature: str, tensors: tuple[Tensors, Tensors], ticket: str) -> Answered:
    """The first image of a request.

    Args:
        key: model and version that answered it.
        signature: that was called.
        tensors: its inputs and outputs.
        ticket: as `Answered` has it.

    Raises:
        UnsuitableError: they have none.
    """
    inputs, outputs = tensors
    names = SIGNATURES.get(signature)
    if names is None or names[0] not in inputs or names[1] not in outputs or not len(inputs[names[0]]):
        raise UnsuitableError("it has no image")
    pattern = inputs["pattern"][0].decode() if signature == "mosaic" else ""
    noisy, denoised = (_alone(each) for each in (inputs[names[0]], outputs[names[1]]))
    return Answered(*key, signature, noisy, denoised, pattern, ticket)


def _alone(batch: np.ndarray) -> Any:
    """The first, without what else is in its batch."""
    return batch[0].copy() if len(batch) > 1 and batch.dtype != object else batch[0]
