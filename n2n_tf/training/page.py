"""A run to show: report.html, of what its directory holds."""

import json
import shlex
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from n2n_tf import html
from n2n_tf.config import RunError, UsageError, flag
from n2n_tf.evaluation.pictures import CAPTION
from n2n_tf.training.outcome import sentences
from n2n_tf.training.presets import unlike_defaults
from n2n_tf.training.records import read_config, read_report, read_rows, undamaged
from n2n_tf.training.rundir import RunDirectory

COUNTED = ("val_psnr", "val_estimated_psnr", "val_reconstruction")  # tells the best epoch: the first that is there
FIRST = (*COUNTED, "loss", "psnr")  # of the curves


def write_page(directory: RunDirectory) -> Path:
    """Write report.html: of a run that has ended, or as far as it is.

    Raises:
        UsageError: the directory holds no run.
        RunError: its files are damaged, or of a later version.
        OSError: they cannot be read, or it cannot be written.
    """
    if not directory.begun:
        raise UsageError(f"{directory.path}: holds no run, which has a config.json")
    config = directory.settings()
    report = read_report(directory.report) if directory.report.exists() else None
    epochs = _epochs(directory)
    with undamaged(directory.report):
        body = [
            *_outcome(config.run.epochs, report, epochs),
            *_picture(directory, "val_psnr" in epochs or "psnr" in (report or {}).get("scores", {})),
            *_curves(epochs),
            *_noise(directory),
            *_trials(directory),
            *_settings(config.flat, unlike_defaults(config.flat, config.own), directory),
            *_skipped(report or {}),
        ]
    return html.write_page(directory.page, html.page(f"Run {directory.path.resolve().name}", body))


def command(settings: Mapping[str, Any]) -> str:
    """What begins a run with these settings."""
    words = ["n2n-tf", "train"]
    for name, value in settings.items():
        if value is False:
            words.append(flag(f"no_{name}"))
        else:
            values = value if isinstance(value, tuple) else () if value is True else (value,)
            words += [flag(name), *map(str, values)]
    return shlex.join(words)


def _epochs(directory: RunDirectory) -> dict[str, list[float]]:
    """The history's columns."""
    if not directory.history.exists():
        return {}
    head, *rows = read_rows(directory.history) or [[]]
    with undamaged(directory.history):
        return {name: [float(row[place] or "nan") for row in rows] for place, name in enumerate(head)}


def _outcome(wanted: int, report: Mapping[str, Any] | None, epochs: Mapping[str, list[float]]) -> Iterator[str]:
    done = len(epochs.get("epoch", ()))
    if report is None:
        yield f'<p class="verdict">Not at its end: {done} of {wanted} epochs.</p>'
        return
    first, *more = sentences(report)
    images = f"{report.get('training_images', '?')} training images"
    took = f"{done} epochs on {images} in {_time(report.get('seconds', 0))}"
    told = f"<b>{escape(first)}</b>. {escape('; '.join([*more, took]))}."
    yield f'<p class="verdict true">{told}</p>'


def _picture(directory: RunDirectory, clean: bool) -> Iterator[str]:
    """The last one that there is, its columns apart."""
    files = sorted(directory.samples.glob("*.png"))  # before_after.png, which a run ends with, comes first
    if not files:
        return
    path = files[0] if files[0].name == "before_after.png" else files[-1]
    columns = 3 if clean else 2
    try:
        with Image.open(path) as sheet:
            width, height = sheet.width // columns, sheet.height - CAPTION
            noisy, denoised, *known = (sheet.crop((x * width, 0, (x + 1) * width, height)) for x in range(columns))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:  # Pillow's, of what is no whole PNG
        raise RunError(f"{path}: is damaged: {error}; remove it, then the page is without it") from error
    pairs = [html.slider(noisy, denoised, ("noisy", "denoised"))]
    pairs += [html.slider(denoised, each, ("denoised", "clean")) for each in known]
    yield f'<h2>Before and after</h2><p>The first held-out image.</p><div class="row">{"".join(pairs)}</div>'


def _curves(epochs: Mapping[str, list[float]]) -> Iterator[str]:
    names = [name for name in FIRST if name in epochs] + [name for name in epochs if name not in (*FIRST, "epoch")]
    counted = next((name for name in COUNTED if name in epochs), None)
    drawn = ""
    for name in names:
        values, best = epochs[name], None
        if name == counted:
            best = values.index(max(values) if "psnr" in name else min(values))
        points = [(epoch + 1, value) for epoch, value in zip(epochs["epoch"], values, strict=True)]
        drawn += html.curve(points, name, "epoch", best)
    if drawn:
        told = "The dot is the best epoch." + " The loss grows with gamma." * ("gamma" in epochs)
        yield f'<h2>Epoch by epoch</h2><p>{told}</p><div class="row">{drawn}</div>'


def _noise(directory: RunDirectory) -> Iterator[str]:
    found, _ = directory.inspected()
    if found and found.get("text"):
        yield f"<h2>The noise</h2><pre>{escape(str(found['text']))}</pre>"


def _trials(directory: RunDirectory) -> Iterator[str]:
    tried = directory.tried()
    if tried and tried.get("trials"):
        names = list(dict.fromkeys(name for row in tried["trials"] for name in row))
        rows = [names, *([_shown(row.get(name, "")) for name in names] for row in tried["trials"])]
        chosen = ", ".join(f"{name} {_shown(value)}" for name, value in tried["chosen"].items())
        yield f"<h2>Trials</h2><p>Chosen: {escape(chosen)}.</p>{html.table(rows)}"


def _settings(flat: Mapping[str, Any], own: Mapping[str, Any], directory: RunDirectory) -> Iterator[str]:
    chosen = directory.found()
    yield f"<h2>How to repeat it</h2><pre>{escape(command(own))}</pre>"
    if chosen:
        told = ", ".join(f"{name} {_shown(value)}" for name, value in chosen.items())
        yield f"<p>Chosen by what the images and the machine are: {escape(told)}.</p>"
    saved = read_config(directory.config)
    rows = [(name, _shown(value)) for name, value in saved["environment"].items() if value not in ([], {}, "")]
    yield html.table(rows, head=False)
    rest = [(name, _shown(value)) for name, value in flat.items() if name not in own]
    yield f"<details><summary>Settings that are the default</summary>{html.table(rest, head=False)}</details>"


def _skipped(report: Mapping[str, Any]) -> Iterator[str]:
    if skipped := report.get("skipped"):
        rows = [("file", "why it was skipped"), *((str(name), str(why)) for name, why in skipped.items())]
        yield f"<h2>Skipped files</h2>{html.table(rows)}"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return " ".join(map(_shown, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
