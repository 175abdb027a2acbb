"""What a run directory records, read back: files that a user, a full disk or a lost connection may have changed."""

import contextlib
import csv
import dataclasses
import json
import operator
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from n2n_tf.config import RunError, UsageError, gist
from n2n_tf.data.images import Images
from n2n_tf.data.shards import HeldOut, Shards, reopen_shards
from n2n_tf.formats.page import KINDS, MOSAIC, Page, kind_of

PAGE = tuple(field.type for field in dataclasses.fields(Page))  # the types of a saved page
EARLIER_PAGE = (*PAGE[:5], bool)  # before pages told their kind: whether it is a raw mosaic
REPORT = {"scores": dict, "scored_images": str, "picture": str, "denoiser": str}  # what the command line shows


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
        for name in ("psnr", "noisy_psnr") if "psnr" in scores else ("reconstruction",):
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


def images_to_json(images: Images | Shards | HeldOut) -> dict[str, Any]:
    """What `images_from_json` makes the same images of."""
    if isinstance(images, HeldOut):
        return {"held_out_of": images_to_json(images.shards)}
    if isinstance(images, Shards):
        return {name: value for name, value in dataclasses.asdict(images).items() if name != "failure"}
    page_of = operator.attrgetter(*(field.name for field in dataclasses.fields(Page)))
    return {"pages": [page_of(page) for page in images.pages], "skipped": images.skipped}


def images_from_json(saved: dict[str, Any], channels: int, is_held_out: bool) -> Any:
    """The images that a run began with.

    Raises:
        RunError: shards that are damaged, or others now.
        ValueError, TypeError, LookupError: what was saved is damaged.
    """
    if is_held_out and "held_out_of" in saved:
        return HeldOut(images_from_json(saved["held_out_of"], channels, False))
    if "counts" in saved:
        return reopen_shards(saved)
    pages, skipped = [_page(each) for each in saved["pages"]], saved["skipped"]
    if not pages:
        raise ValueError("it lists no images")
    if not all(isinstance(text, str) for text in skipped.values()):
        raise TypeError("`skipped` holds more than texts")
    return Images(pages, channels, skipped)


def _page(saved: list[Any]) -> Page:
    if tuple(map(type, saved)) == EARLIER_PAGE:
        saved = [*saved[:5], MOSAIC if saved[5] else kind_of(saved[4]), ""]
    is_page = tuple(map(type, saved)) == PAGE and "\0" not in saved[0] and saved[5] in KINDS
    if not is_page or min(saved[1] + 1, *saved[2:5]) <= 0:
        raise ValueError(f"no image: {str(saved)[:80]}")
    return Page(*saved[:5], *map(sys.intern, saved[5:]))  # there may be millions
