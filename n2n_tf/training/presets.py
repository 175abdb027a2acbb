"""Presets, and how they, files and flags become the settings of a run."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from n2n_tf.config import UsageError, coerced, lookup, refuse_without_effect
from n2n_tf.config.kinds import CHANNELS, COUNTS, GRAY, MOSAIC
from n2n_tf.data.kind_of_data import kind_of_data
from n2n_tf.training.config import Config, config_from

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PRESETS: dict[str, dict[str, Any]] = {
    # paper section 5.1; where the text is silent, the authors' code. Cost: see configs/gaussian25.toml
    "paper": {
        "epochs": 100,
        "batch_size": 4,
        "patch_size": 256,
        "flips": False,
        "targets": 1,
        "network": "unet",
        "init": "authors",
        "optimizer": "adam",
        "beta_2": 0.999,
        "epsilon": 1e-8,
        "clip_gradients": 0.0,
        "learning_rate": 3e-4,
        "learning_rate_schedule": "halve",
        "warmup_steps": 0,
        "ema": 0.0,
        "gamma": 2.0,
        "gamma_schedule": "ramp",
    },
    # taken for raw files, whatever the preset; gamma: paper section 5.1. patch_size is in cells of 2×2 pixels
    "raw": {"channels": COUNTS[MOSAIC], "gamma": 1.0, "patch_size": 128, "batch_size": 4},
    # a first look: minutes on 2 CPU cores. So few steps leave f(y) a poor guide, hence the small gamma
    "quick": {"epochs": 5, "steps_per_epoch": 100, "gamma": 0.5},
}
STARTS = {1: "blind_gray", 3: "blind"}  # by channels: what comes with the package
START = {
    "weights": "",
    "learning_rate": 3e-4,
    "mixed_precision": "auto",
    "patience": 2,
}  # often nothing is left


def build_config(flags: Mapping[str, Any], preset: str | None = None, toml: str | Path | None = None) -> Config:
    """Merge settings; later ones win: defaults, preset, TOML file, flags.

    Args:
        flags: settings by field name, as given by the user.
        preset: a name of `PRESETS`; a TOML file may name it too, under the key `preset`.
        toml: path of a TOML file with keys named like the fields.

    Raises:
        UsageError: an unknown key or preset, a value of the wrong type, or settings that contradict each other.
    """
    file_settings = _read_toml(Path(toml)) if toml else {}
    preset = preset or file_settings.pop("preset", None)
    file_settings.pop("preset", None)
    if preset is None and not (flags.get("data") or file_settings.get("data")):
        preset = "quick"  # the sample images are for a first look
    given = {**file_settings, **flags}
    told = images_told(given)
    kind, channels = given.get("kind", told.get("kind", "auto")), told.get("channels", given.get("channels"))
    is_raw = kind == MOSAIC or (kind == "auto" and channels == COUNTS[MOSAIC])
    raw = dict(PRESETS["raw"]) if is_raw else {}
    if raw and preset == "paper":
        raw.update(learning_rate=1e-4)  # section 5.1
    settings = {**(lookup(PRESETS, preset, "`preset`") if preset else {}), **raw, **file_settings, **flags, **told}
    if not settings.get("data"):
        settings.setdefault("noise", "gaussian")
    if preset == "quick":
        settings = {**_start(settings), **settings}
    try:
        config = config_from(settings)
        refuse_without_effect(config, (name for name, value in given.items() if value is not False))
    except UsageError as error:
        raise UsageError(f"with `config` {toml}: {error}") if toml else error from None
    return config


def unlike_defaults(flat: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What to give to `build_config` for such a run.

    Args:
        flat, own: all settings of a Config, and those that are not the default; a preset may choose others too.
    """
    names = [] if flat["data"] else [*PRESETS["quick"], *START]
    names += PRESETS["raw"] if flat["channels"] == COUNTS[MOSAIC] else []
    return {**own, **{name: flat[name] for name in names if name in flat}}


def _start(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What quick has besides where nothing asks for another network than that of the weights of the package."""
    other = {"network", "features", "init", "method", "weights"} & settings.keys()
    start = STARTS.get(settings.get("channels", 3))
    return {} if other or not start else {**START, "weights": start}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"`config` {path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # also of a number of thousands of digits
        raise UsageError(f"`config` {path}: is not TOML: {error}") from error
    try:
        preset = settings.pop("preset", None)
        if preset is not None:
            lookup(PRESETS, str(preset), "`preset`")
        return {**coerced(Config, settings), "preset": preset}
    except (UsageError, RecursionError) as error:
        raise UsageError(f"`config` {path}: {error}") from error


def images_told(given: Mapping[str, Any]) -> dict[str, Any]:
    """The kind and the channels of the training images, as far as the channels alone do not tell the kind.

    Raises:
        UsageError: some are raw files, and nothing says which are meant.
    """
    kind, channels = given.get("kind", "auto"), given.get("channels")
    if channels is None and (kind in COUNTS or given.get("channel")):
        return {"channels": COUNTS.get(kind, COUNTS[GRAY])}  # a plane of a stack has one
    if kind != "auto":
        return {}
    data = given.get("data") or ()
    found = kind_of_data([data] if isinstance(data, str) else data, channels)
    if found == MOSAIC:
        return {"channels": COUNTS[MOSAIC]}
    return {"kind": CHANNELS} if channels == COUNTS[MOSAIC] else {}
