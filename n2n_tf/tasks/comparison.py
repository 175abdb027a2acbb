"""A comparison of methods, as a TOML file tells it: which runs, on which noises, scored on which images."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from n2n_tf.config import UsageError, coerced, composed, lookup
from n2n_tf.methods.settings import METHODS
from n2n_tf.noise.settings import NOISES
from n2n_tf.training.config import Config
from n2n_tf.training.presets import build_config

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
    "rows": "by name: settings of a method; `missing` says why there is none",
    "paper": "by noise, row and test: PSNR and SSIM",
}


@dataclass(frozen=True)
class Cell:
    """One run of a comparison.

    Attributes:
        row, noise: names.
        settings: of the run, flat; empty if it cannot be run.
        missing: why not.
    """

    row: str
    noise: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    missing: str = ""

    @property
    def name(self) -> str:
        """Of its folder, and for commands."""
        return f"{_plain(self.row)}-{_plain(self.noise)}"

    def config(self, **changed: Any) -> Config:
        """The run."""
        settings = {**self.settings, **changed}
        return build_config(settings, preset=settings.pop("preset", None))


@dataclass(frozen=True)
class Comparison:
    """What a TOML file tells.

    Attributes:
        equal: `STEPS` or `TIME`.
        tests: folders by name; or SIDD's files as `noisy`, `clean`, and `block_names` or `pattern`.
        cells: rows times noises.
        paper: by noise, row and test.
    """

    equal: str
    tests: Mapping[str, "str | Mapping[str, str]"]
    cells: tuple[Cell, ...]
    paper: Mapping[str, Mapping[str, Mapping[str, tuple[float, float]]]]

    @property
    def noises(self) -> list[str]:
        """In their order."""
        return list(dict.fromkeys(cell.noise for cell in self.cells))

    def cell(self, name: str) -> Cell:
        """Raise UsageError unless there is one of this name."""
        return lookup({cell.name: cell for cell in self.cells}, name, "`only`")


def read_comparison(
    path: str | Path, changed: Mapping[str, Any], tests: Mapping[str, str], equal: str | None = None
) -> Comparison:
    """Read and check a comparison.

    Args:
        path: of the TOML file.
        changed: settings of all runs that win over the file's.
        tests: folders that win over the file's.
        equal: wins over the file's.

    Raises:
        UsageError: it cannot be read, or does not tell what it must.
    """
    told = _read(Path(path))
    for key in told:
        lookup(KEYS, key, f"`table` {path}")
    if not told.get("rows") or not told.get("noises"):
        raise UsageError(f"`table` {path}: wanted at least one of `rows` and of `noises`")
    equal = str(equal or told.get("equal", STEPS))
    lookup({STEPS: 0, TIME: 0}, equal, f"`table` {path}: equal")
    settings = {**told.get("settings", {}), **changed}
    try:
        cells = tuple(
            _cell(row, noise, {**settings, **told["noises"][noise]}, told["rows"][row])
            for noise in told["noises"] for row in told["rows"]
        )  # fmt: skip
    except UsageError as error:
        raise UsageError(f"`table` {path}: {error}") from error
    if len({cell.name for cell in cells}) < len(cells):
        raise UsageError(f"`table` {path}: names of rows or noises that differ in no letter or digit")
    return Comparison(equal, {**told.get("tests", {}), **tests}, cells, _paper(told.get("paper", {})))


def _cell(row: str, noise: str, settings: Mapping[str, Any], own: Mapping[str, Any]) -> Cell:
    if missing := own.get("missing", ""):
        return Cell(row, noise, missing=str(missing))
    if (method := own.get("method", "neighbor2neighbor")) not in METHODS:
        return Cell(row, noise, missing=f"method {method}: not built yet")
    cell = Cell(row, noise, {**settings, **own})
    try:
        if not _fits(method, cell.settings):
            return Cell(row, noise, missing="not for this noise")
        cell.config()
    except UsageError as error:
        raise UsageError(f"{row}, {noise}: {error}") from error
    return cell


def _fits(method: str, settings: Mapping[str, Any]) -> bool:
    """Whether the method can work with the noise of these settings."""
    flat = coerced(Config, {name: value for name, value in settings.items() if name != "preset"})
    noise = composed(lookup(NOISES, str(flat.get("noise")), "`noise`"), flat)
    try:
        composed(METHODS[method], flat).check_noise(noise)
    except UsageError:
        return False
    return True


def _paper(told: Mapping[str, Any]) -> dict[str, dict[str, dict[str, tuple[float, float]]]]:
    return {
        noise: {row: {test: (float(psnr), float(ssim)) for test, (psnr, ssim) in scores.items()}
                for row, scores in rows.items()}
        for noise, rows in told.items()
    }  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"`table` {path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"`table` {path}: is not TOML: {error}") from error


def _plain(name: str) -> str:
    """A name of letters and digits, for a folder."""
    return re.sub(r"[^\w.]+", "_", name.replace("γ", "gamma").replace("σ", "sigma")).strip("_").lower() or os.sep
