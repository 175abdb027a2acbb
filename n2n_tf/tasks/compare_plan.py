"""What each cell of a comparison will take on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from n2n_tf.evaluation.protocol import TestSet
from n2n_tf.evaluation.reading import Block
from n2n_tf.formats.page import Page
from n2n_tf.inference.denoiser import SIDE_MULTIPLE
from n2n_tf.tasks.baseline_costs import BaselineCosts, test_pixels
from n2n_tf.tasks.compare_sets import nowhere, test_sets
from n2n_tf.tasks.comparison import Comparison

if TYPE_CHECKING:
    from n2n_tf.tasks.compare import Bench

LEFT = "all that is left"


def plan(bench: Bench, repeats: int | None = None) -> list[tuple[str, ...]]:
    """Rows of strings: a head, one for each cell, and the sums of what is not done yet.

    Args:
        bench: of the comparison; nothing of it need be there.
        repeats: as `Bench.score` takes it; what scoring takes is told of the test images that are there.
    """
    rows: list[tuple[str, ...]] = [("cell", "steps", "seconds a step", "hours", "and to score")]
    sizes, training, scoring = _megapixels(bench.comparison, repeats), 0.0, 0.0
    baselines = BaselineCosts(bench.output / "baseline_costs.json")
    for cell in bench.comparison.cells:
        if cell.missing:
            rows.append((cell.name, "", "", cell.missing, ""))
            continue
        if cell.baseline:
            seconds = baselines.of(cell.baseline, *cell.form)
            images, pixels = test_pixels(bench.comparison, cell, repeats)
            scoring += seconds * pixels / 3600
            told = f"{images} images" if images else ""
            rows.append((cell.name, told, f"{seconds:.3g} a megapixel", "", _hours(seconds * pixels / 3600)))
            continue
        run, cost, done = bench.config(cell).run, bench.costs[cell.name], bench.done(cell)
        steps, shown = run.epochs * run.steps_per_epoch, sizes[cell.noise] * bench.scoring[cell.name] / 3600
        hours = cost * steps / 3600
        training, scoring = training + (0 if done else hours), scoring + shown
        rows.append((cell.name, str(steps), f"{cost:.3f}", f"{hours:.2f}" + " (done)" * done, _hours(shown)))
    return [*rows, (LEFT, "", "", f"{training:.2f}", _hours(scoring))]


def _hours(hours: float) -> str:
    return f"{hours:.2f}" if hours else ""


def _megapixels(comparison: Comparison, repeats: int | None) -> dict[str, float]:
    """That a denoiser is given for scores, by noise; of the test images that are there."""
    images = [cell.config().images for cell in comparison.cells if cell.is_run]
    there = {name: where for name, where in comparison.tests.items() if images and not nowhere(where)}
    found = dict.fromkeys(comparison.added, 0.0)
    for noise, added in comparison.added.items():
        for name, where in there.items():
            form = images[0].channels, images[0].image_kind
            found[noise] += sum(map(_pixels, test_sets(name, where, added.build(), form, repeats)[0])) / 1e6
    return found


def _pixels(images: TestSet) -> float:
    """Those of noise are padded to squares, as in the paper; of mosaics a cell counts as one."""
    padded = not isinstance(images.noisy, Sequence)
    each = sum(_area(page, padded) for page in images.clean)
    return each * images.repeats / (4 if images.pattern else 1)


def _area(page: Page | Block, padded: bool) -> int:
    height, width = page.pixels.shape[:2] if isinstance(page, Block) else (page.height, page.width)
    side = -(-max(height, width) // SIDE_MULTIPLE) * SIDE_MULTIPLE
    return side**2 if padded else height * width
