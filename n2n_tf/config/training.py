"""Settings of a training run: every default, its help text, and the checks between settings."""

import dataclasses
import json
import math
import reprlib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from n2n_tf.config.kinds import CHANNELS, COUNTS, GRAY, KINDS, MOSAIC, RGB, kind_by_count
from n2n_tf.config.settings import (
    Range,
    UsageError,
    above,
    at_least,
    check_ranges,
    flag,
    limits_of,
    lookup,
    setting,
)


@dataclass(frozen=True)
class Config:
    """One training run. Each field is a flag of `n2n-tf train` and a key of its TOML files."""

    data: tuple[str, ...] = setting(
        (),
        "noisy images, or clean ones that --noise is added to: folders, globs, files, or one that prepare wrote; "
        "without it, sample images",
    )
    val_data: tuple[str, ...] = setting(
        (), "held-out images; without it, those that prepare held out, or a tenth of --data, at most 8"
    )
    noise: str | None = setting(
        None, "noise added to the images: none (they are noisy), gaussian or poisson; gaussian for the sample images"
    )
    sigma: tuple[float, ...] = setting(
        (25.0,), "standard deviation of gaussian noise, 0-255, or a range", metavar="S", within=above(0, 2550)
    )
    lam: tuple[float, ...] = setting(
        (30.0,), "poisson counts at intensity 1, or a range", metavar="L", within=above(0, 1e6)
    )
    noise_once: bool = setting(
        False, "freeze the noise of each image, as in a real set with one shot of each scene; slower on large images"
    )
    range: tuple[str | float, ...] = setting(
        ("auto",),
        "intensities that count as 0 and 1, two numbers LOW HIGH in the images' units; dtype: the whole of their type; "
        "auto: dtype where they have 8 bits, else where nearly all pixels of the training images lie",
        metavar="RANGE",
    )
    channels: int = setting(
        3, "of the images: 1 (gray), 3 (RGB), 4 (Bayer raw, packed), or as many as theirs; others are skipped",
        within=at_least(1, 2**10),
    )  # fmt: skip
    kind: str = setting(
        "auto", "of the images; auto: mosaic for raw files and their prepared crops, else by the channels",
        ("auto", *KINDS),
    )  # fmt: skip
    channel: tuple[str | int, ...] = setting(
        (), "of stacks with a channel axis: the planes of these alone, by name or number from 1", metavar="CHANNEL"
    )
    flips: bool = setting(True, "random flips of the training crops; of mosaics so that they begin with red again")
    method: str = setting("neighbor2neighbor", "training method: neighbor2neighbor")
    network: str = setting(
        "residual_unet",
        "network: residual_unet (the U-Net plus its input), unet (the paper's), rrg (stronger, many times slower) or "
        "dncnn (the small classic)",
    )
    features: int = setting(
        0, "width of the network; 0: its own, 48 for the U-Nets, 64 for rrg and dncnn", within=at_least(0, 2**12)
    )
    init: str = setting("default", "initial weights: default, or authors (0.1 times Kaiming, slow to start)")
    optimizer: str = setting(
        "adam",
        "adam, adamw, adadelta, adafactor, adagrad, adamax, ftrl, lamb, lion, nadam, rmsprop or sgd; with "
        "TensorFlow Addons also adabelief, cocob, lazyadam, lookahead (over adam), novograd, proximaladagrad, ranger "
        "(lookahead over rectifiedadam), rectifiedadam and yogi",
    )
    beta_2: float = setting(
        0.99, "decay of the optimizer's mean of squared gradients", within=Range(0, 1, above=True, below=True)
    )
    epsilon: float = setting(0.0, "epsilon of the optimizer; 0: its own, 1e-7 for adam", within=at_least(0, 1))
    learning_rate: float = setting(1.5e-3, "highest learning rate", within=above(0, 1e15))
    learning_rate_schedule: str = setting("cosine", "halve (every 20 %% of the epochs) or cosine (to 0)")
    warmup_steps: int = setting(200, "steps of cosine's rise from 0; at most a tenth of the run", within=at_least(0))
    ema: float = setting(
        0.0, "momentum of averaged weights, which are then the denoiser's; 0 is off", within=Range(0, 1, below=True)
    )
    gamma: float = setting(
        2.0, "weight of the regularizer; the paper: 2 synthetic noise, 1 raw", within=at_least(0, 1e6)
    )
    gamma_schedule: str = setting("ramp", "ramp (gamma grows with the epoch) or constant")
    epochs: int = setting(100, "number of epochs", within=at_least(1, 10**6))
    steps_per_epoch: int = setting(0, "0: one pass over the images, at least 100 steps", within=at_least(0))
    batch_size: int = setting(4, "crops in one step, over all replicas", within=at_least(1, 2**16))
    patch_size: int = setting(256, "side of a crop in pixels; a multiple of 64", within=at_least(64, 2**14))
    seed: int = setting(0, "seed of everything random", within=at_least(0))
    strategy: str = setting(
        "auto",
        "tf.distribute strategy; auto: multiworker where TF_CONFIG names several workers, mirrored on several GPUs, as "
        "many as divide the batch",
        ("auto", "none", "mirrored", "multiworker"),
    )
    mixed_precision: str = setting("off", "compute type", ("off", "bfloat16", "float16"))
    jit_compile: str = setting("auto", "XLA; auto: on for one GPU, off on a CPU", ("auto", "on", "off"))
    checkpoint_steps: int = setting(
        1000, "steps between checkpoints; one is written at each epoch's end too", within=at_least(1)
    )

    def __post_init__(self) -> None:
        check_ranges(self)
        for problem in _problems(self):
            raise UsageError(problem)

    @property
    def limits(self) -> tuple[float, float] | None:
        """The two numbers of `range`; None if it is a rule."""
        return limits_of(self.range)

    @property
    def image_kind(self) -> str:
        """What `kind` says, or the channels where it is auto, as in runs of earlier versions."""
        return kind_by_count(self.channels) if self.kind == "auto" else self.kind

    @property
    def is_mosaic(self) -> bool:
        """Whether the images are planes of raw mosaics."""
        return self.image_kind == MOSAIC

    @property
    def crop_side(self) -> int:
        """Of a crop before flips, which cost a mosaic a row and a column of cells."""
        return self.patch_size + (self.flips and self.is_mosaic)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2)


def config_from(settings: Mapping[str, Any]) -> Config:
    """A Config from values as JSON and TOML have them; what is left out has its default.

    Raises:
        UsageError: as `build_config`.
    """
    return Config(**coerced(settings))


def coerced(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON and TOML have them, of the types that `Config` has.

    Raises:
        UsageError: an unknown name, or a value of another type.
    """
    wanted = typing.get_type_hints(Config)
    return {name: _coerce(name, value, lookup(wanted, name, "setting")) for name, value in settings.items()}


def _coerce(name: str, value: Any, wanted: Any) -> Any:
    """Accept what JSON and TOML cannot tell apart: lists for tuples, integers for floats."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is tuple:
        values = value if isinstance(value, (list, tuple)) else [value]
        return tuple(_coerce(name, each, inner[0]) for each in values)
    if origin is types.UnionType:
        if value is None or type(value) in inner:
            return value
        return _coerce(name, value, [each for each in inner if each is not types.NoneType][-1])
    if wanted is float and type(value) is int:
        return float(value) if abs(value) < 2**1023 else math.inf if value > 0 else -math.inf  # in no range
    if type(value) is not wanted:
        raise UsageError(f"{flag(name)}: got {reprlib.repr(value)}; wanted a value of type {wanted.__name__}")
    return value


def _problems(c: Config) -> Iterable[str]:
    for f in dataclasses.fields(c):
        value, choices = getattr(c, f.name), f.metadata["choices"]
        if choices and value not in choices:
            lookup(dict.fromkeys(choices), value, flag(f.name))
    try:
        if (c.limits or c.range != ("auto",)) and c.is_mosaic:
            yield f"--range {_words(c.range)}: raw mosaics have one, black 0 and white 1; leave it out"
    except UsageError as error:
        yield str(error)
    for name in ("sigma", "lam"):
        values = getattr(c, name)
        if len(values) not in (1, 2) or list(values) != sorted(values):
            yield f"{flag(name)} {_words(values)}: wanted one number, or two in ascending order"
    wanted = COUNTS.get(c.image_kind)
    if wanted not in (None, c.channels):
        yield f"--kind {c.kind} --channels {c.channels}: images of this kind have {wanted}; leave one of them out"
    if c.kind == CHANNELS and c.channels in (COUNTS[GRAY], COUNTS[RGB]):
        yield f"--kind {c.kind} --channels {c.channels}: say --kind {kind_by_count(c.channels)}, or leave it out"
    if c.patch_size % 64:
        near = round(c.patch_size / 64) * 64
        yield (
            f"--patch-size {c.patch_size}: wanted a multiple of 64, since the sub-sampler halves a crop and the "
            f"network halves it five times more; try {near}"
        )
    if c.data and c.noise is None:
        yield "--data without --noise: say --noise none if the images are noisy, or which noise to add to clean ones"
    if c.noise in (None, "none") and not c.data:
        yield "no --noise: the sample images are clean; give your noisy images with --data, or say which noise to add"
    if c.noise == "none" and c.noise_once:
        yield "--noise-once with --noise none: no noise is added that could be frozen; leave one of them out"


def _words(values: Iterable[Any]) -> str:
    return " ".join(value if isinstance(value, str) else f"{value:g}" for value in values)
