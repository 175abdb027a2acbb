"""Presets, and how they, files and flags become the settings of a run."""

import glob
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from n2n_tf.config.kinds import CHANNELS, COUNTS, GRAY, MOSAIC, kind_by_count
from n2n_tf.config.settings import UsageError, flag, lookup
from n2n_tf.config.training import Config, coerced, config_from

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
RAW_SUFFIXES = frozenset(
    {".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".sr2", ".raf", ".orf", ".rw2", ".rwl", ".pef", ".srw", ".x3f",
     ".iiq", ".3fr", ".erf", ".kdc", ".mef"}
)  # fmt: skip


MANIFEST = "shards.json"  # what makes a folder one of prepared shards

PRESETS: dict[str, dict[str, Any]] = {
    # paper section 5.1; where the text is silent, the authors' code. Cost: see configs/gaussian25.toml
    "paper": {
        "epochs": 100,
        "batch_size": 4,
        "patch_size": 256,
        "flips": False,
        "network": "unet",
        "init": "authors",
        "optimizer": "adam",
        "beta_2": 0.999,
        "epsilon": 1e-8,
        "learning_rate": 3e-4,
        "learning_rate_schedule": "halve",
        "warmup_steps": 0,
        "ema": 0.0,
        "gamma": 2.0,
        "gamma_schedule": "ramp",
    },
    # taken for raw files, whatever the preset; gamma: paper section 5.1. patch_size is in cells of 2×2 pixels
    "raw": {"channels": COUNTS[MOSAIC], "gamma": 1.0, "patch_size": 128},
    # a first look: minutes on 2 CPU cores. So few steps leave f(y) a poor guide, hence the small gamma
    "quick": {"patch_size": 128, "epochs": 5, "steps_per_epoch": 100, "gamma": 0.5},
}


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
    told = _told(given)
    kind, channels = given.get("kind", told.get("kind", "auto")), told.get("channels", given.get("channels"))
    is_raw = kind == MOSAIC or (kind == "auto" and channels == COUNTS[MOSAIC])
    raw = dict(PRESETS["raw"]) if is_raw else {}
    if raw and preset == "paper":
        raw.update(learning_rate=1e-4)  # section 5.1
    settings = {**(lookup(PRESETS, preset, "--preset") if preset else {}), **raw, **file_settings, **flags, **told}
    if not settings.get("data"):
        settings.setdefault("noise", "gaussian")
    try:
        config = config_from(settings)
    except UsageError as error:
        raise UsageError(f"with --config {toml}: {error}") if toml else error from None
    for name, needed, value in (
        ("sigma", "noise", "gaussian"),
        ("lam", "noise", "poisson"),
        ("warmup_steps", "learning_rate_schedule", "cosine"),
    ):
        if name in {**file_settings, **flags} and getattr(config, needed) != value:
            raise UsageError(
                f"{flag(name)} has no effect with {flag(needed)} {getattr(config, needed)}: "
                f"leave it out, or say {flag(needed)} {value}"
            )
    return config


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--config {path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # also of a number of thousands of digits
        raise UsageError(f"--config {path}: is not TOML: {error}") from error
    try:
        preset = settings.pop("preset", None)
        if preset is not None:
            lookup(PRESETS, str(preset), "preset")
        return {**coerced(settings), "preset": preset}
    except (UsageError, RecursionError) as error:
        raise UsageError(f"--config {path}: {error}") from error


def _told(given: Mapping[str, Any]) -> dict[str, Any]:
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


def kind_of_data(paths: Iterable[str], channels: int | None) -> str | None:
    """The kind of the images in files, folders, globs or prepared crops; by their names, none is opened.

    Args:
        paths: where they are.
        channels: of the images, if it is known.

    Returns:
        None if neither tells it.

    Raises:
        UsageError: some are raw files, and nothing says which are meant.
    """
    paths = list(paths)
    prepared = {kind for path in paths if (kind := _prepared_kind(path))}
    if channels not in (None, COUNTS[MOSAIC]):
        return kind_by_count(channels)
    if MOSAIC in prepared:
        return MOSAIC
    kinds = {suffix for path in paths for suffix in _suffixes(path)}
    if channels is not None:  # where nothing is seen yet, as in a bucket, it means what it always did
        return CHANNELS if prepared or (kinds & IMAGE_SUFFIXES and not kinds & RAW_SUFFIXES) else MOSAIC
    if kinds & RAW_SUFFIXES and kinds & IMAGE_SUFFIXES:
        raise UsageError("--data holds raw files and others: say --channels 4 for the raw ones, 3 or 1 for the others")
    return MOSAIC if kinds & RAW_SUFFIXES else None


def _prepared_kind(folder: str) -> str | None:
    """Of prepared crops; None for what is no folder of shards, or none on this machine."""
    try:
        told = json.loads(Path(folder, MANIFEST).expanduser().read_text(encoding="utf-8"))
        return told.get("kind") or kind_by_count(told["channels"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _suffixes(path: str) -> Iterable[str]:
    """Of a file, of the files in a folder, or of those that a glob matches."""
    path = os.path.expanduser(path)
    for found in [path] if os.path.exists(path) else glob.glob(path, recursive=True):
        names = (name for _, _, each in os.walk(found) for name in each) if os.path.isdir(found) else [found]
        yield from (os.path.splitext(name)[1].lower() for name in names)
