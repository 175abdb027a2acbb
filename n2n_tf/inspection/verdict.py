"""Whether the method's assumption holds on these images, and what to do next."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from n2n_tf.config import flag, words
from n2n_tf.data.settings import CropSettings
from n2n_tf.inspection.images import Looked
from n2n_tf.inspection.measure import Part, breaking

MULTIPLE = 32  # of a crop's side, for the networks' poolings


@dataclass(frozen=True)
class Verdict:
    """What the measurements mean.

    Attributes:
        fits: whether noise is independent between pixels, so that the method works; None if that cannot be told.
        reasons: in words.
        advice: what to do, in words.
        command: the same as one line for a shell; empty if there is none.
    """

    fits: bool | None
    reasons: tuple[str, ...]
    advice: str
    command: str = ""


def judge(
    parts: Sequence[Part], looked: Looked, model: str | None = None, helps: bool = True, distance: int = 1
) -> Verdict:
    """The verdict over all parts: the worst of them counts.

    Args:
        parts: what was measured.
        looked: the images.
        model: path of a denoiser that was tried.
        helps: whether it makes them better, as far as that is known.
        distance: between the pixels that are compared, along rows or columns.
    """
    broken = breaking(parts)
    correlated = [part for part in parts if part.correlated and not (part.reach and part.reach <= distance)]
    models = {part.model for part in parts}
    if models == {"unknown"}:
        why = "; ".join(dict.fromkeys(text for part in parts for text in part.failures.values()))
        return Verdict(None, (f"no noise can be measured here: {why}",), "Give other images, not clipped or constant.")
    if models <= {"none", "unknown"} and not any(
        part.jpeg for part in parts
    ):  # which removes noise from flat areas first
        reason = "there is hardly any noise: it is smaller than the steps between values, or not there at all"
        return Verdict(None, (reason,), "There is nothing to denoise. Were the images denoised or rounded before?")
    if correlated or broken:
        return _misfit(parts, correlated, broken, looked)
    if any(part.correlated is None for part in parts):
        reason = "too little flat area to tell whether neighbours share noise; nothing else speaks against the method"
        return _untold(reason, looked)
    return _fit(looked, model, helps, distance if any(part.correlated for part in parts) else 1)


def _fit(looked: Looked, model: str | None, helps: bool, distance: int) -> Verdict:
    reason = "neighbouring pixels have independent noise, as the method assumes"
    if distance > 1:
        reason = f"neighbouring pixels share noise; those {distance} apart, which are compared, do not"
    if model and helps:
        paths = " ".join(map(shlex.quote, looked.settings.data))
        return Verdict(True, (reason,), "Denoise.", f"n2n-tf denoise {shlex.quote(model)} {paths} --output denoised")
    advice = "Train." if helps else "This denoiser makes these images worse: train one on them."
    return _trained(True, reason, advice, looked, 1)


def _untold(reason: str, looked: Looked) -> Verdict:
    if looked.found > len(looked.stored):
        paths = " ".join(map(shlex.quote, looked.settings.data))
        more = f"n2n-tf inspect {paths} {_flags({'images': min(looked.found, 8 * len(looked.stored))})}"
        return Verdict(None, (reason,), "Look at more of the images.", more)
    return _trained(None, reason, "Train, and look at the result with care: blotches mean shared noise.", looked, 1)


def _misfit(parts: Sequence[Part], correlated: Sequence[Part], broken: Sequence[str], looked: Looked) -> Verdict:
    reasons = [f"{', '.join(broken)} found"] if broken else []
    if correlated:
        names = "" if len(parts) == 1 else f" ({', '.join(part.name for part in correlated)})"
        reasons.append(f"neighbouring pixels share noise{names}: the method would keep that as if it were image")
    far = [part.reach for part in (correlated or parts)]
    first = "Best: the data from before this, raw files or uncompressed ones. "
    if "repeated pixels" in broken:
        return Verdict(False, tuple(reasons), "Go back to the images before they were made larger.")
    if None in far:
        shots = "Else: a second shot of each scene as the target."
        command = "n2n-tf train --method noise2noise --data FIRST_SHOTS --target SECOND_SHOTS --noise none"
        return Verdict(False, tuple(reasons), first + shots, command)
    distance = max([2, *(each for each in far if each)])
    advice = first + f"Else: compare pixels that are {distance} apart, where the noise is independent."
    verdict = _trained(False, "; ".join(reasons), advice, looked, distance)
    return Verdict(False, tuple(reasons), verdict.advice, verdict.command)


def _trained(fits: bool | None, reason: str, advice: str, looked: Looked, distance: int) -> Verdict:
    """With the command that trains on these images."""
    settings, patch = looked.settings, patch_size(looked, distance)
    if not patch:
        small = f"{looked.sides[1]}×{looked.sides[0]}"
        return Verdict(fits, (reason,), f"{advice} These images are too small to train on, {small} pixels: join some.")
    chosen: dict[str, Any] = {"data": settings.data, "noise": "none", "channels": settings.channels}
    chosen |= {"kind": settings.kind} if settings.kind != "auto" else {}
    chosen |= {"channel": settings.channel} if settings.channel else {}
    chosen |= {"range": [words([each]) for each in settings.range]} if settings.range != ("auto",) else {}
    chosen |= {"distance": distance} if distance > 1 else {}
    usual = CropSettings().patch_size if not settings.is_mosaic else 128  # of the raw preset
    chosen |= {"patch_size": patch} if patch != usual else {}
    return Verdict(fits, (reason,), advice, f"n2n-tf train {_flags(chosen)}")


def patch_size(looked: Looked, distance: int) -> int:
    """The side of crops that these images have room for, near what is usual; 0 if there is none."""
    mosaic = looked.settings.is_mosaic
    usual, multiple = 128 if mosaic else CropSettings().patch_size, 2 * distance * MULTIPLE
    room = min(looked.sides) - mosaic  # flips cost a mosaic a row
    return min(max(multiple, usual // multiple * multiple), room // multiple * multiple)


def _flags(chosen: Mapping[str, Any]) -> str:
    texts = []
    for name, value in chosen.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        texts.append(" ".join([flag(name), *(shlex.quote(str(each)) for each in values)]))
    return " ".join(texts)
