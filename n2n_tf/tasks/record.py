"""What a denoiser without training has scored in a comparison, kept so that no image is denoised twice."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from n2n_tf.baselines.denoiser import Baseline
from n2n_tf.baselines.settings import BaselineSettings
from n2n_tf.config import UsageError, flattened
from n2n_tf.evaluation.protocol import Case, Draw
from n2n_tf.files import write, write_json
from n2n_tf.tasks.comparison import Cell
from n2n_tf.training.records import read_json
from n2n_tf.value_range import UNIT

Row = tuple[str, str, str, int, float, float]  # of `Results`


class Record:
    """The scores of one cell, in its folder: scores.json, and the first result of each set.

    Attributes:
        denoiser: what scores.
        kept: rows of those that were asked for and were there already.
        failed: where it is closed, draws that it gave no result of before, with the reason; as of `Results`.
        minutes: that all took which were asked for.
        closed: nothing more is denoised; what has no score has none.

    Args:
        cell: of a baseline.
        settings: of the baseline.
        folder: of the cell.

    Raises:
        UsageError: there are scores of other settings, or its package is not installed.
    """

    def __init__(self, cell: Cell, settings: BaselineSettings, folder: Path):
        self.cell, self.folder = cell, folder
        self.denoiser = Baseline(settings, *cell.form, UNIT)
        self.kept: list[Row] = []
        self.failed: dict[tuple[str, str, str, int], str] = {}
        self.minutes = 0.0
        self.closed = False
        self._key = ""
        self._path = folder / "scores.json"
        told = {"baseline": settings.name, **flattened(settings)}
        self._told: dict[str, Any] = {"settings": told, "scores": {}, "failed": {}}
        self.read()

    def read(self) -> None:
        """Take the scores that are in the folder."""
        if self._path.exists():
            found, wanted = read_json(self._path), self._told["settings"]
            if found.get("settings") != wanted:
                raise UsageError(f"{self.folder}: has scores of {found.get('settings')}, not of {wanted}; remove it")
            self._told = {"failed": {}, **found}

    def wants(self, draw: Draw) -> bool:
        """Whether it has to be denoised: it is not beyond the limit, nor there already."""
        self._key = hashlib.sha256(draw.noisy.tobytes()).hexdigest()[:16]
        if self.cell.images and (draw.repeat or draw.number >= self.cell.images):
            return False
        found, failed = (self._told[name].get(self._key) for name in ("scores", "failed"))
        if failed and self.closed:
            self.failed[draw.set.name, self.cell.row, str(draw.set.clean[draw.number]), draw.repeat] = failed
        if found:
            self.kept.append((draw.set.name, self.cell.row, found["image"], draw.repeat, found["psnr"], found["ssim"]))
            self.minutes += found["seconds"] / 60
        return not found and not self.closed

    def put(self, case: Case) -> None:
        """Keep what the draw that was wanted last has scored, or why it has no score."""
        name = self.cell.row
        if name not in case.scores and name not in case.failed:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._told["failed"].pop(self._key, None)
        if name in case.failed:
            self._told["failed"][self._key] = case.failed[name]
        else:
            psnr, ssim = case.scores[name]
            score = {"image": str(case.page), "psnr": psnr, "ssim": ssim, "seconds": case.seconds[name]}
            self._told["scores"][self._key] = score
            self.minutes += case.seconds[name] / 60
            if case.page == case.set.clean[0] and not case.repeat:
                write(self.folder / f"{self._key}.npy", lambda temporary: np.save(temporary, case.results[name]))
        write_json(self._path, self._told)

    def shown(self, case: Case) -> tuple[np.ndarray, tuple[float, float]] | None:
        """The result of this draw and its scores, if it was kept: that of the first image of a set."""
        path, found = self.folder / f"{self._key}.npy", self._told["scores"].get(self._key)
        if not (found and path.exists()):
            return None
        return np.load(path), (found["psnr"], found["ssim"])
