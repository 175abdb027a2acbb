"""Train what a comparison lacks, score all on the same noise, and put it beside the paper."""

import contextlib
import functools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras

from n2n_tf.config import RunError, UsageError
from n2n_tf.data.finding import listing
from n2n_tf.evaluation.page import write_page
from n2n_tf.evaluation.pictures import stacked
from n2n_tf.files import write
from n2n_tf.inference import Denoiser
from n2n_tf.ownership import owned
from n2n_tf.tasks.compare_costs import costs
from n2n_tf.tasks.compare_noise import score_noise
from n2n_tf.tasks.compare_plan import plan
from n2n_tf.tasks.compare_scores import Scores
from n2n_tf.tasks.compare_sets import nowhere, test_sets
from n2n_tf.tasks.comparison import Cell, Comparison
from n2n_tf.tasks.comparison_file import TIME
from n2n_tf.tasks.record import Record
from n2n_tf.training.begin import check_same, train
from n2n_tf.training.build import check_names
from n2n_tf.training.config import Config
from n2n_tf.training.records import read_report
from n2n_tf.training.rundir import RunDirectory
from n2n_tf.value_range import UNIT
from n2n_tf.weights import load_denoiser

logger = logging.getLogger(__name__)


class Bench:
    """A comparison in its folder: a run directory for each cell, costs.json, table.md, scores.csv, pictures.png,
    report.html.

    Args:
        comparison: what is compared.
        output: the folder.
    """

    def __init__(self, comparison: Comparison, output: str | Path):
        self.comparison, self.output = comparison, Path(output)

    def directory(self, cell: Cell) -> RunDirectory:
        """Of a cell."""
        return RunDirectory(self.output / "cells" / cell.name)

    def done(self, cell: Cell) -> bool:
        """Whether it is trained, or has no need to be."""
        return not cell.missing and (not cell.is_run or self.directory(cell).report.exists())

    def check(self, cells: Sequence[Cell], tests: bool = True) -> None:
        """What can be checked before hours of training.

        Raises:
            UsageError: a setting that is not known here, a folder that is not there or not said, a run of other
                settings.
        """
        self.records(cells)
        for cell in (each for each in cells if each.is_run):
            config, directory = self.config(cell), self.directory(cell)
            try:
                check_names(config)
                if directory.begun:
                    check_same(directory.settings(), directory.as_begun(config).flat)
            except UsageError as error:
                raise UsageError(f"{cell.name}: {error}") from error
        for text in self.lacking(cells, tests):
            raise UsageError(text)
        if tests:
            self._check_tests([cell for cell in cells if not cell.missing])

    def _check_tests(self, cells: Sequence[Cell]) -> None:
        """Look at the headers of all test images; warn of those that cannot be used."""
        skipped: dict[str, str] = {}
        for noise, cell in {cell.noise: cell for cell in cells}.items():
            for name, where in self.comparison.tests.items():
                try:
                    skipped |= test_sets(name, where, self.comparison.added[noise].build(), cell.form, None)[1]
                except (UsageError, RunError) as error:
                    raise UsageError(f"`test` {name}: {error}") from error
        if skipped:
            logger.warning("%d files were skipped:\n%s", len(skipped), listing(skipped))

    def lacking(self, cells: Sequence[Cell], tests: bool = True) -> Iterator[str]:
        """What must still be said or be there before they can be trained, and scored."""
        if homeless := [cell for cell in cells if cell.homeless]:
            yield f"no `data`: say where the training images are ({len(homeless)} runs, {homeless[0].name} the first)"
        for name, where in self.comparison.tests.items() if tests else ():
            if missing := nowhere(where):
                yield f"`test` {name}: {missing}: no such folder or file"
        if tests and not self.comparison.tests:
            yield "`test`: no folder of clean images to score on; say NAME=DIR"

    def train(self, cells: Sequence[Cell]) -> dict[str, str]:
        """Train those that are not there yet, or go on with them.

        Returns:
            Those that failed, with the reason; the others are trained all the same.

        Raises:
            UsageError, StoppedError: as `training.begin.train`.
        """
        failed = {}
        for cell in (each for each in cells if each.is_run and not self.done(each)):
            logger.info("%s, %s", cell.row, cell.noise)
            try:
                train(self.config(cell), self.directory(cell).path, go_on=True)
            except RunError as error:
                failed[cell.name] = str(error)
                logger.warning("%s: %s", cell.name, error)
            keras.backend.clear_session()
        return failed

    def plan(self, repeats: int | None = None) -> list[tuple[str, ...]]:
        """What each cell costs here; see `compare_plan.plan`."""
        return plan(self, repeats)

    @property
    def costs(self) -> dict[str, float]:
        """Seconds of a training step on this machine, by cell."""
        return self._costs[0]

    @property
    def scoring(self) -> dict[str, float]:
        """Seconds that denoising and scoring a megapixel takes on this machine, by cell."""
        return self._costs[1]

    def records(self, cells: Sequence[Cell]) -> dict[str, Record]:
        """What those that need no training have scored so far, by row.

        Raises:
            UsageError: with other settings.
        """
        wanted = (cell for cell in cells if not cell.missing)
        return {cell.row: Record(cell, cell.baseline, self.directory(cell).path) for cell in wanted if cell.baseline}

    @functools.cached_property
    def _costs(self) -> tuple[dict[str, float], dict[str, float]]:
        wanted = {cell.name: cell.config() for cell in self.comparison.cells if cell.is_run}
        return costs(wanted, self.output / "costs.json")

    def config(self, cell: Cell) -> Config:
        """Of a cell's run: with the steps of its settings, or as many as take the time of the first row's."""
        config = cell.config()
        run = config.run
        if not run.steps_per_epoch:
            raise UsageError(f"{cell.name}: `steps_per_epoch` is left open; say how many, so that all runs are equal")
        reference = next(each for each in self.comparison.cells if each.noise == cell.noise and each.is_run)
        if self.comparison.equal != TIME or cell.name == reference.name:
            return config
        if self.directory(cell).begun:  # whatever a step costs when it is timed again
            steps = self.directory(cell).settings().run.steps_per_epoch
        else:
            steps = round(run.steps_per_epoch * self.costs[reference.name] / self.costs[cell.name])
        return cell.config(steps_per_epoch=max(1, steps))

    def denoise(self, cell: Cell, repeats: int | None = None) -> Scores:
        """Score one that needs no training, into its record alone; as `score`."""
        scores = Scores(self.comparison)
        self._score_noise(cell.noise, [cell], repeats, scores)
        return scores

    def score(self, repeats: int | None = None, closed: bool = False) -> Scores:
        """Score all that is trained or needs no training, and write tables and pictures.

        Args:
            repeats: noise draws for each image; None: the paper's on its sets, else 1.
            closed: those that need no training, and may take hours, keep the scores that they have.

        Raises:
            UsageError: nothing is trained.
            RunError: an image that cannot be read.
        """
        scores = Scores(self.comparison)
        for noise in self.comparison.noises:
            cells = [cell for cell in self.comparison.cells if cell.noise == noise and self.done(cell)]
            if cells:
                self._score_noise(noise, cells, repeats, scores, closed)
        if not scores.results:
            raise UsageError(f"`output` {self.output}: nothing is trained yet")
        for cell in self.comparison.cells:
            if cell.is_run and self.done(cell):
                scores.minutes[cell.noise, cell.row] = read_report(self.directory(cell).report)["seconds"] / 60
        self._write(scores)
        return scores

    def _score_noise(
        self, noise: str, cells: Sequence[Cell], repeats: int | None, scores: Scores, closed: bool = False
    ) -> None:
        logger.info("scoring %s", noise)
        runs = [cell for cell in cells if cell.is_run]
        trained = {cell.row: Denoiser(load_denoiser(self.directory(cell).path), value_range=UNIT) for cell in runs}
        records = self.records(cells)
        denoisers = {cell.row: trained.get(cell.row) or records[cell.row].denoiser for cell in cells}
        with contextlib.ExitStack() as stack:
            for record in records.values():
                stack.enter_context(owned(record.folder, doing="denoising"))
                record.closed = closed
                record.read()  # what another process has written meanwhile
            score_noise(self.comparison, noise, denoisers, records, scores, repeats)

    def _write(self, scores: Scores) -> None:
        text = scores.markdown().encode()
        write(self.output / "table.md", lambda temporary: temporary.write_bytes(text))
        write(self.output / "scores.csv", scores.write_csv)
        write(self.output / "pictures.png", lambda temporary: stacked(scores.pictures).save(temporary, "PNG"))
        tables = {noise: scores.table(noise) for noise in scores.results}
        write_page(self.output, f"Comparison {self.output.resolve().name}", tables, scores.pictures)
