"""What a run directory records, read back: files that a user, a full disk or a lost connection may have changed."""

import contextlib
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from n2n_tf.config import RunError, UsageError, gist
from n2n_tf.files import check_format

FORMAT = 1  # of config.json; a higher one if an earlier version would misread the run
REPORT = {"scores": dict, "scored_images": str, "picture": str, "denoiser": str}  # what the command line shows
SURE = {f"estimated_{which}psnr{error}" for which in ("", "noisy_") for error in ("", "_error")}


@contextlib.contextmanager
def undamaged(path: Path) -> Iterator[None]:
    """Whatever the contents of a file raise becomes one RunError that names it."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError, csv.Error) as error:
        what = str(error) if isinstance(error, UsageError) else gist(error)
        raise RunError(f"{path}: is damaged: {what}; put it right, or begin a new run") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        RunError: the file holds none.
        OSError: it cannot be read.
    """
    with undamaged(path):
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError(f"it holds a value of type {type(value).__name__}; wanted an object")
    return value


def read_config(path: Path) -> dict[str, Any]:
    """What config.json holds.

    Raises:
        RunError: it is damaged, or of a later version.
        OSError: it cannot be read.
    """
    told = read_json(path)
    with undamaged(path):
        check_format(told, FORMAT, path)
    return told


def read_report(path: Path) -> dict[str, Any]:
    """What a run that has ended reported.

    Raises:
        RunError: the file holds no report.
        OSError: it cannot be read.
    """
    report = read_json(path)
    with undamaged(path):
        for name, kind in REPORT.items():
            if not isinstance(report[name], kind):
                raise TypeError(f"`{name}` is of type {type(report[name]).__name__}; wanted {kind.__name__}")
        scores = report["scores"]
        for name in ("psnr", "noisy_psnr") if "psnr" in scores else ("reconstruction", *SURE & scores.keys()):
            if not isinstance(scores[name], float):
                raise TypeError(f"`{name}` is no number: {str(scores[name])[:80]}")
    return report


def read_rows(path: Path) -> list[list[str]]:
    """The head and the rows of a history; without those that an interruption cut short.

    Raises:
        RunError: the file holds none.
        OSError: it cannot be read.
    """
    with undamaged(path), path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file, strict=True))
        if lines and lines[0][:1] != ["epoch"]:
            raise ValueError("its first column is not `epoch`")
        rows = [row for row in lines[1:] if len(row) == len(lines[0])]
        for row in rows:
            int(row[0])
    return lines[:1] + rows
