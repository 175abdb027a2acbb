"""Whether the method's assumption holds on these images, and what to do next."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from n2n_tf.config import flag, words
from n2n_tf.data.settings import CropSettings
from n2n_tf.inspection.images import Looked
from n2n_tf.inspection.measure import BREAKING, OTHERS, Part, breaking, distance_for
from n2n_tf.meter.correlation import independent_at
from n2n_tf.methods.base_settings import DEEPEST


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
    parts: Sequence[Part], looked: Looked, model: str | None = None, helps: bool = True,
    distance: tuple[int, int] = (1, 1),
) -> Verdict:  # fmt: skip
    """The verdict over all parts: the worst of them counts.

    Args:
        parts: what was measured.
        looked: the images.
        model: path of a denoiser that was tried.
        helps: whether it makes them better, as far as that is known.
        distance: between the pixels that are compared, (down, right).
    """
    correlated = [part for part in parts if not independent_at(distance, part.shared)]
    apart = distance != (1, 1) and not correlated  # what JPEG did is dealt with
    broken = breaking(parts, OTHERS if apart else BREAKING)
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
    return _fit(looked, model, helps, distance if any(part.correlated for part in parts) else (1, 1))


def spelled(distance: tuple[int, int]) -> str:
    """A distance in words."""
    down, right = distance
    return f"{down} apart" if down == right else f"{down} apart down and {right} right"


def _fit(looked: Looked, model: str | None, helps: bool, distance: tuple[int, int]) -> Verdict:
    reason = "neighbouring pixels have independent noise, as the method assumes"
    if distance != (1, 1):
        reason = f"neighbouring pixels share noise; those {spelled(distance)}, which are compared, do not"
    if model and helps:
        paths = " ".join(map(shlex.quote, looked.settings.data))
        return Verdict(True, (reason,), "Denoise.", f"n2n-tf denoise {shlex.quote(model)} {paths} --output denoised")
    advice = "Train." if helps else "This denoiser makes these images worse: train one on them."
    return _trained(True, reason, advice, looked, (1, 1))


def _untold(reason: str, looked: Looked) -> Verdict:
    if looked.found > len(looked.stored):
        paths = " ".join(map(shlex.quote, looked.settings.data))
        more = f"n2n-tf inspect {paths} {_flags({'images': min(looked.found, 8 * len(looked.stored))})}"
        return Verdict(None, (reason,), "Look at more of the images.", more)
    return _trained(
        None, reason, "Train, and look at the result with care: blotches mean shared noise.", looked, (1, 1)
    )


def _misfit(parts: Sequence[Part], correlated: Sequence[Part], broken: Sequence[str], looked: Looked) -> Verdict:
    reasons = [f"{', '.join(broken)} found"] if broken else []
    if correlated:
        names = "" if len(parts) == 1 else f" ({', '.join(part.name for part in correlated)})"
        reasons.append(f"neighbouring pixels share noise{names}: the method would keep that as if it were image")
    distance = distance_for(correlated) if correlated else (2, 2)
    first = "Best: the data from before this, raw files or uncompressed ones. "
    if "repeated pixels" in broken:
        return Verdict(False, tuple(reasons), "Go back to the images before they were made larger.")
    if not distance:
        shots = "Else: a second shot of each scene as the target."
        command = "n2n-tf train --method noise2noise --data FIRST_SHOTS --target SECOND_SHOTS --noise none"
        return Verdict(False, tuple(reasons), first + shots, command)
    how = f"{flag('correlated')} {'auto, the default' if correlated else words(_short(distance))}"
    advice = f"{first}Else train with {how}: pixels {spelled(distance)} are compared, whose noise is independent."
    verdict = _trained(False, "; ".join(reasons), advice, looked, distance, told=not correlated)
    return Verdict(False, tuple(reasons), verdict.advice, verdict.command)


def _trained(
    fits: bool | None, reason: str, advice: str, looked: Looked, distance: tuple[int, int], told: bool = False
) -> Verdict:
    """With the command that trains on these images; if the distance has to be told, with that."""
    settings, usual = looked.settings, 128 if looked.settings.is_mosaic else CropSettings().patch_size  # 128: `raw`'s
    patch = patch_size(looked, distance, usual)
    if not patch:
        small = f"{looked.sides[1]}×{looked.sides[0]}"
        return Verdict(fits, (reason,), f"{advice} These images are too small to train on, {small} pixels: join some.")
    chosen: dict[str, Any] = {"data": settings.data, "noise": "none", "channels": settings.channels}
    chosen |= {"kind": settings.kind} if settings.kind != "auto" else {}
    chosen |= {"channel": settings.channel} if settings.channel else {}
    chosen |= {"range": [words([each]) for each in settings.range]} if settings.range != ("auto",) else {}
    chosen |= {"correlated": _short(distance)} if told else {}
    chosen |= {"patch_size": patch} if patch < usual else {}  # a larger one that a distance wants is taken anyway
    return Verdict(fits, (reason,), advice, f"n2n-tf train {_flags(chosen)}")


def _short(distance: tuple[int, int]) -> tuple[int, ...]:
    """As a flag has it."""
    return distance[:1] if distance[0] == distance[1] else distance


def side_of(distance: tuple[int, int]) -> int:
    """What the side of a crop is a multiple of, where pixels so far apart are compared."""
    return 2 * math.lcm(*distance) * DEEPEST


def patch_size(looked: Looked, distance: tuple[int, int], usual: int) -> int:
    """The side of crops that these images have room for, near what is usual; 0 if there is none."""
    multiple = side_of(distance)
    room = min(looked.sides) - looked.settings.is_mosaic  # flips cost a mosaic a row
    return min(max(multiple, usual // multiple * multiple), room // multiple * multiple)


def _flags(chosen: Mapping[str, Any]) -> str:
    texts = []
    for name, value in chosen.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        texts.append(" ".join([flag(name), *(shlex.quote(str(each)) for each in values)]))
    return " ".join(texts)
