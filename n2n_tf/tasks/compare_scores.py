"""What a comparison gave, for people and for programs."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from n2n_tf.evaluation.results import COLUMNS, Results, markdown
from n2n_tf.tasks import NOISY
from n2n_tf.tasks.comparison import Comparison


@dataclass
class Scores:
    """What a comparison gave.

    Attributes:
        comparison: what was compared.
        results: by noise.
        minutes: of training, by noise and row; of a baseline, which needs none, of denoising.
        pictures: one strip for each noise.
    """

    comparison: Comparison
    results: dict[str, Results] = field(default_factory=dict)
    minutes: dict[tuple[str, str], float] = field(default_factory=dict)
    pictures: list[Image.Image] = field(default_factory=list)

    def table(self, noise: str) -> list[tuple[str, ...]]:
        """Rows of strings, the first one the head: PSNR in dB and SSIM, here and in the paper."""
        tests = list(self.comparison.tests)
        head = ("", *(each for test in tests for each in (f"{test}, here", f"{test}, paper")), "minutes")
        rows: list[tuple[str, ...]] = [head]
        means = self._means(noise)
        names = [cell.row for cell in self.comparison.cells if cell.noise == noise]
        reasons = {cell.row: cell.missing for cell in self.comparison.cells if cell.noise == noise}
        limits = {cell.row: cell.images for cell in self.comparison.cells if cell.images}
        failed = {name for _, name, *_ in self.results[noise].failed}
        for row in (NOISY, *names):
            there = self.comparison.paper.get(noise, {}).get(row, {})
            cells = []
            for test in tests:
                told = reasons.get(row) or ("failed" if row in failed else "not trained yet")
                if (row, test) in means:
                    *here, count, _ = means[row, test]
                    *_, whole, images = means[NOISY, test]
                    limit = limits.get(row)
                    part = f", first {limit}" if limit else ""
                    if count < (min(limit, images) if limit else whole):
                        of = f"the first {limit}" if limit else whole
                        part = f", {count} of {of}{'' if row in failed else ' so far'}"
                    told = _words(here) + part
                cells += [told, _words(there.get(test))]
            took = self.minutes.get((noise, row))
            rows.append((row, *cells, "" if took is None else f"{took:.1f}"))
        return rows

    def markdown(self) -> str:
        """All tables."""
        return "\n".join(f"{noise}\n\n{markdown(self.table(noise))}" for noise in self.results)

    def write_csv(self, path: Path) -> None:
        """One row for each noise, set, row, image and draw."""
        with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            rows = [(noise, *row) for noise, results in self.results.items() for row in results.rows]
            csv.writer(file).writerows([("noise", *COLUMNS), *rows])

    def _means(self, noise: str) -> Mapping[tuple[str, str], tuple[float, float, int, int]]:
        results = self.results[noise]
        names = dict.fromkeys(row[1] for row in results.rows)
        return {
            (name, test): (summary["psnr"], summary["ssim"], len(summary["scores"]), summary["images"])
            for name in names for test, summary in results.summary(name).items()
        }  # fmt: skip


def _words(scores: Sequence[float] | None) -> str:
    if scores is None or math.isnan(scores[1]):
        return "" if scores is None else f"{scores[0]:.2f}"
    return f"{scores[0]:.2f} / {scores[1]:.3f}"
