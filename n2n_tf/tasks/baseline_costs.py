"""What denoisers without training cost on this machine, told from a small image."""

import json
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from n2n_tf.baselines.base_settings import BaselineSettings
from n2n_tf.baselines.denoiser import Baseline
from n2n_tf.baselines.fitted_settings import Fitted
from n2n_tf.config import flattened
from n2n_tf.evaluation.reading import Block
from n2n_tf.files import write_json
from n2n_tf.formats.page import Page
from n2n_tf.tasks.compare_sets import nowhere, test_sets
from n2n_tf.tasks.comparison import Cell, Comparison
from n2n_tf.training.records import read_json

SIDE = 128  # of the image that is timed
FEW, MORE = 2, (8, 32, 128, 512)  # steps of a network that is fitted to it: their difference is without its making
LONGER = 1.5  # times: from which on the difference is more than chance


class BaselineCosts:
    """Seconds a megapixel of each denoiser and kind of image, measured once, kept in a file.

    Args:
        path: of it.
    """

    def __init__(self, path: Path):
        self._path = path
        self._known: dict[str, float] = read_json(path) if path.exists() else {}

    def of(self, settings: BaselineSettings, channels: int, kind: str) -> float:
        """Seconds a megapixel."""
        told = {"baseline": settings.name, **flattened(settings), "channels": channels, "kind": kind}
        key = json.dumps(told, sort_keys=True)
        if key not in self._known:
            self._known[key] = seconds_a_megapixel(settings, channels, kind)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, self._known)
        return self._known[key]


def seconds_a_megapixel(settings: BaselineSettings, channels: int, kind: str) -> float:
    """Of a denoiser, from an image of 128×128 pixels; of one that fits a network from a few steps."""
    if not isinstance(settings, Fitted):
        return _seconds(settings, channels, kind) * 1e6 / SIDE**2
    few = step = _seconds(settings.shortened(FEW), channels, kind)
    for steps in MORE:
        more = _seconds(settings.shortened(steps), channels, kind)
        step = max(0.0, more - few) / (steps - FEW)
        if more > LONGER * few:
            break
    return step * settings.cost * 1e6 / SIDE**2


def test_pixels(comparison: Comparison, cell: Cell, repeats: int | None) -> tuple[int, float]:
    """How many images a cell of these is given, and their megapixels; of those that are there."""
    noise = comparison.added[cell.noise].build()
    pages: list[Page | Block] = []
    for name, where in comparison.tests.items():
        if not nowhere(where):
            for each in test_sets(name, where, noise, cell.form, repeats)[0]:
                pages += list(each.clean)[: cell.images or None] * (1 if cell.images else each.repeats)
    return len(pages), sum(_megapixels(pages))


def _megapixels(pages: Iterable[Page | Block]) -> Iterable[float]:
    for page in pages:
        height, width = page.pixels.shape[:2] if isinstance(page, Block) else (page.height, page.width)
        yield height * width / 1e6


def _seconds(settings: BaselineSettings, channels: int, kind: str) -> float:
    image = np.random.default_rng(0).random((SIDE, SIDE, channels), np.float32)
    denoiser = Baseline(settings, channels, kind)
    began = time.perf_counter()
    denoiser(image)
    return time.perf_counter() - began
