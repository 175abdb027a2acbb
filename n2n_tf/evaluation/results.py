"""Scores of an evaluation: gathered, averaged, and written for people and for programs."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from n2n_tf.evaluation.protocol import Case
from n2n_tf.files import write

COLUMNS = ("set", "denoiser", "image", "repeat", "psnr", "ssim")


@dataclass
class Results:
    """Scores as they come in.

    Attributes:
        rows: by set, denoiser, image, noise draw: PSNR in dB and SSIM.
        groups: several sets that are also scored as one; in order.
        published: by set in small letters and the row's title, PSNR and SSIM of the paper, for the same noise.
        affine: a·x + b was fitted to the clean images first; the table's head says so.
        skipped: files that could not be used, with the reason.
        failed: draws that a denoiser gave no result of, as the rows begin, with the reason.
    """

    published: Mapping[str, Mapping[str, tuple[float, float]]]
    rows: list[tuple[str, str, str, int, float, float]] = field(default_factory=list)
    groups: dict[str, dict[str, None]] = field(default_factory=dict)
    affine: bool = False
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[tuple[str, str, str, int], str] = field(default_factory=dict)

    def add(self, case: Case) -> None:
        """Keep the scores of a case."""
        if case.set.group:
            self.groups.setdefault(case.set.group, {})[case.set.name] = None
        for denoiser, scores in case.scores.items():
            self.rows.append((case.set.name, denoiser, str(case.page), case.repeat, *scores))
        for denoiser, reason in case.failed.items():
            self.failed[case.set.name, denoiser, str(case.page), case.repeat] = reason

    def summary(self, denoiser: str) -> dict[str, Any]:
        """By set and group that it has scores of: means, standard errors, and the scores of each image and draw.

        The standard error is that of the mean over images, each with the mean of its draws: draws on one image are
        no independent images.
        """
        return {name: self._of_set(name, denoiser) for name in self._names() if self._rows(name, denoiser)}

    def table(self) -> list[tuple[str, ...]]:
        """Rows of strings, the first one the head: for each set the denoisers in their order, then the paper."""
        fitted = " of a·x + b" if self.affine else ""
        head = ("set", "denoiser", f"PSNR{fitted}, dB", f"SSIM{fitted}", "images × draws")
        rows: list[tuple[str, ...]] = [head]
        denoisers = list(dict.fromkeys(row[1] for row in self.rows))
        for name in self._names():
            whole = max(len(self._rows(name, denoiser)) for denoiser in denoisers)
            for denoiser in denoisers:
                count = len(self._rows(name, denoiser))
                if not count:
                    rows.append((name, denoiser, "", "", f"0 of {whole}"))
                    continue
                s = self._of_set(name, denoiser)
                psnr = f"{s['psnr']:.2f}" + _plus_minus(s["psnr_standard_error"], 2)
                ssim = f"{s['ssim']:.3f}" + _plus_minus(s["ssim_standard_error"], 3)
                counted = f"{s['images']} × {s['repeats']}" if count == whole else f"{count} of {whole}"
                rows.append((name, denoiser, psnr, ssim, counted))
            for title, (psnr_there, ssim_there) in self.published.get(name.lower(), {}).items():
                rows.append((name, title, f"{psnr_there:.2f}", f"{ssim_there:.3f}", ""))
        return rows

    def lacking(self) -> dict[str, str]:
        """What has no score since a denoiser gave no result of it, with the reason; to be shown."""
        return {f"{name}, {image}, draw {draw + 1}": why for (_, name, image, draw), why in self.failed.items()}

    def write_csv(self, path: Path) -> None:
        """One row for each image, draw and denoiser."""

        def writer(temporary: Path) -> None:
            with temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
                csv.writer(file).writerows([COLUMNS, *self.rows])

        write(path, writer)

    def _names(self) -> list[str]:
        return [*dict.fromkeys(row[0] for row in self.rows), *self.groups]

    def _rows(self, name: str, denoiser: str) -> list[tuple[str, int, float, float]]:
        members = self.groups.get(name, {name})
        return [row[2:] for row in self.rows if row[0] in members and row[1] == denoiser]

    def _of_set(self, name: str, denoiser: str) -> dict[str, Any]:
        rows = self._rows(name, denoiser)
        images: dict[str, list[tuple[float, float]]] = {}
        for image, _, *scores in rows:
            images.setdefault(image, []).append((scores[0], scores[1]))
        means = np.array([np.mean(scores, axis=0) for scores in images.values()])
        psnr, ssim = means.mean(axis=0).tolist()
        errors = (means.std(axis=0, ddof=1) / math.sqrt(len(images))).tolist() if len(images) > 1 else (None, None)
        return {
            "psnr": psnr,
            "ssim": ssim,
            "psnr_standard_error": errors[0],
            "ssim_standard_error": errors[1],
            "images": len(images),
            "repeats": len(rows) // len(images),
            "paper": next(iter(self.published.get(name.lower(), {}).values()), None),
            "scores": [dict(zip(COLUMNS[2:], row, strict=True)) for row in rows],
        }


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body]) + "\n"


def _plus_minus(error: float | None, digits: int) -> str:
    return "" if error is None else f" ± {error:.{digits}f}"
