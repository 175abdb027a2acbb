"""Short runs that choose what a setting leaves open."""

import dataclasses
import logging
import shutil
from pathlib import Path
from typing import Any

from n2n_tf.config import UsageError
from n2n_tf.data.source import HeldOutSource, Source
from n2n_tf.files import write_json
from n2n_tf.inspection.report import Report
from n2n_tf.training.config import Config
from n2n_tf.training.environment import environment
from n2n_tf.training.records import read_report
from n2n_tf.training.run import Run
from n2n_tf.training.rundir import RunDirectory
from n2n_tf.training.scorer import COST, PSNR
from n2n_tf.training.workers import Workers

logger = logging.getLogger(__name__)

EPOCHS, SHARE, FEWEST, MOST = 5, 0.1, 100, 500  # of a trial: steps are a share of the run's
DEFAULT = "it is not judged by `reconstruction`, which is lowest without a regularizer"


class Trials:
    """Short runs of the candidates of one run, each as itself but for its length.

    Args:
        config: of the run.
        workers: of it; one alone can choose.
        training, held_out: its images.
        found: what noise they have, if they come noisy.
    """

    def __init__(
        self, config: Config, workers: Workers, training: Source, held_out: HeldOutSource, found: Report | None
    ):
        self.config, self.workers = config, workers
        self.training, self.held_out, self.found = training, held_out, found
        self.told = [_differing(config.flat, each.flat) for each in config.candidates()]

    def choose(self, directory: RunDirectory) -> None:
        """Try the candidates, and write down the best in the run directory; nothing where there is one alone.

        An interrupted choice goes on with the trial that it was in. Of trials only their scores are kept.

        Raises:
            UsageError: with several workers.
        """
        if len(self.told) == 1:
            return
        if self.workers.count > 1:
            raise UsageError(
                "`gamma` auto with several workers: is for one; let it choose in a short run, and say `gamma`"
            )
        best, scores = self._usual(), list[dict[str, Any]]()
        if self.found and self.found.obstacle:
            logger.warning("%s: %s, and %s", _words(best), self.found.obstacle, DEFAULT)
        else:
            best, scores = self._best(directory.path / "trials")
            logger.info("%s: the best of the trials", _words(best))
        write_json(directory.trials, {"chosen": best, "trials": scores})
        shutil.rmtree(directory.path / "trials", ignore_errors=True)

    def _best(self, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """What to choose, and the scores of all."""
        scores = []
        for number, candidate in enumerate(self.config.candidates()):
            logger.info("trial %d of %d: %s", number + 1, len(self.told), _words(self.told[number]))
            scores.append(self._trial(candidate, RunDirectory(folder / str(number))))
        costs = [-each[PSNR] if PSNR in each else each[COST] for each in scores]
        rows = [{**told, **each} for told, each in zip(self.told, scores, strict=True)]
        return self.told[costs.index(min(costs))], rows

    def _trial(self, candidate: Config, place: RunDirectory) -> dict[str, Any]:
        """The scores of a short run."""
        total = self.config.run.steps(len(self.training), self.config.crops.batch_size)
        steps = max(1, min(MOST, max(FEWEST, round(SHARE * total))) // EPOCHS)
        short = dataclasses.replace(self.config.run, epochs=EPOCHS, steps_per_epoch=steps, patience=0)
        config = dataclasses.replace(candidate, run=short)
        if not (place.begun and place.report.exists() and place.settings() == config):
            shutil.rmtree(place.path, ignore_errors=True)
            place.create(config, self.training, self.held_out, environment(config, self.workers), self.found)
            Run(config, self.workers, place, self.training, self.held_out).go()
        return read_report(place.report)["scores"]

    def _usual(self) -> dict[str, Any]:
        """What the open settings are by default."""
        usual = dataclasses.replace(self.config, method=type(self.config.method)()).flat
        return {name: usual[name] for name in self.told[0]}


def _differing(flat: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in other.items() if flat.get(name) != value}


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in settings.items())
