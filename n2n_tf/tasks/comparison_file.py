"""The TOML file of a comparison: its form, checked."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from n2n_tf.config import UsageError, lookup
from n2n_tf.tasks import NOISY

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

STEPS, TIME = "steps", "time"
KEYS = {
    "equal": f"{STEPS} or {TIME}: what all runs have as much of; of time the first row's",
    "settings": "of all runs, as in a file for `train`",
    "tests": "by the name in the paper: a folder of clean images, of pairs (noisy/, clean/), or blocks",
    "noises": "by name: settings of a noise",
    "rows": "by name: settings of a method; or `baseline`, its settings, and `images`, how many of each set it is "
    "given, one draw each; `missing` says why there is none",
    "paper": "by noise, row and test: PSNR and SSIM",
}


def read_tables(path: Path) -> dict[str, Any]:
    """What the file tells.

    Raises:
        UsageError: it cannot be read, or is of another form.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is not TOML: {error}") from error
    for key, value in told.items():
        lookup(KEYS, key, "key")
        if key != "equal":
            _check_table(key, value)
    lookup({STEPS: 0, TIME: 0}, str(told.get("equal", STEPS)), "`equal`")
    if not told.get("rows") or not told.get("noises"):
        raise UsageError("wanted at least one of [rows] and of [noises]")
    return told


def published(told: Mapping[str, Any]) -> dict[str, dict[str, dict[str, tuple[float, float]]]]:
    """By noise, row and test: the paper's PSNR and SSIM.

    Raises:
        UsageError: of a row or noise that is not there, or no two numbers.
    """
    for noise, scores in told.get("paper", {}).items():
        lookup(told["noises"], noise, "[paper]: noise")
        for row in scores:
            lookup(told["rows"], row, f"[paper.{noise!r}]: row")
    try:
        return {
            noise: {row: {test: (float(psnr), float(ssim)) for test, (psnr, ssim) in each.items()}
                    for row, each in scores.items()}
            for noise, scores in told.get("paper", {}).items()
        }  # fmt: skip
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"[paper]: wanted two numbers for each test, PSNR and SSIM ({error})") from error


def plain(name: str) -> str:
    """A name of letters and digits, for a folder."""
    return re.sub(r"[^\w.]+", "_", name.replace("γ", "gamma").replace("σ", "sigma")).strip("_.").lower()


def _check_table(key: str, value: Any) -> None:
    """Raise UsageError unless it is a table, of tables where rows, noises or the paper's figures are told."""
    entries = value.values() if key in ("rows", "noises", "paper") and isinstance(value, dict) else ()
    if not isinstance(value, dict) or not all(isinstance(each, dict) for each in entries):
        raise UsageError(f"[{key}]: wanted {KEYS[key]}")
    for name in value if key in ("rows", "noises", "tests") else ():
        if not plain(name) or "|" in name or name == NOISY:
            raise UsageError(f"[{key}] {name!r}: wanted a name with letters or digits, without |, other than {NOISY!r}")
    for name, where in value.items() if key == "tests" else ():
        blocks = isinstance(where, dict) and {"noisy", "clean"} <= where.keys()
        if not isinstance(where, str) and not blocks:
            raise UsageError(f"[tests] {name}: wanted a folder, or noisy and clean files of blocks")
