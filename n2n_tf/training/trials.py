"""Short runs that choose what a setting leaves open."""

import dataclasses
import logging
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from n2n_tf.config import UsageError
from n2n_tf.data.source import HeldOutSource, Source
from n2n_tf.files import write_json
from n2n_tf.inspection.report import Report
from n2n_tf.training.config import Config
from n2n_tf.training.divergence import DivergedError
from n2n_tf.training.environment import environment
from n2n_tf.training.records import read_report
from n2n_tf.training.run import Run
from n2n_tf.training.rundir import RunDirectory
from n2n_tf.training.scorer import COST, PSNR
from n2n_tf.training.workers import Workers

logger = logging.getLogger(__name__)

EPOCHS, SHARE, FEWEST, MOST = 5, 0.1, 100, 500  # of a trial: steps are a share of the run's
OF_NO_USE = "`reconstruction` is lowest without a regularizer"


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

        An interrupted choice keeps the trials that have ended. Of trials only their scores are kept at the end.

        Raises:
            UsageError: with several workers.
        """
        if len(self.told) == 1:
            return
        if self.workers.count > 1:
            raise UsageError(
                "`gamma` auto with several workers: is for one; let it choose in a short run, and say `gamma`"
            )
        scores = [] if self.found and self.found.obstacle else self._scores(directory.path / "trials")
        costs = [_cost(each) for each in scores]
        if any(map(math.isfinite, costs)):
            best = self.told[int(np.nanargmin(costs))]
            logger.info("%s: the best of the trials", _words(best))
        else:
            best = self._usual()
            logger.warning("%s, as nothing can judge: %s", _words(best), self._why())
        rows = [{**told, **each} for told, each in zip(self.told, scores, strict=bool(scores))]
        write_json(directory.trials, {"chosen": best, "trials": rows})
        shutil.rmtree(directory.path / "trials", ignore_errors=True)

    def _scores(self, folder: Path) -> list[dict[str, Any]]:
        """Of all candidates; nothing of one that diverges."""
        scores = []
        for number, candidate in enumerate(self.config.candidates()):
            logger.info("trial %d of %d: %s", number + 1, len(self.told), _words(self.told[number]))
            try:
                scores.append(self._trial(candidate, RunDirectory(folder / str(number))))
            except DivergedError as error:
                logger.warning("%s: %s", _words(self.told[number]), error)
                scores.append({})
        return scores

    def _trial(self, candidate: Config, place: RunDirectory) -> dict[str, Any]:
        """The scores of a short run."""
        total = self.config.run.steps(len(self.training), self.config.crops.batch_size)
        steps = max(1, min(MOST, max(FEWEST, round(SHARE * total))) // EPOCHS)
        short = dataclasses.replace(self.config.run, epochs=EPOCHS, steps_per_epoch=steps, patience=0, seconds=0.0)
        config = dataclasses.replace(candidate, run=short)
        if not (place.begun and place.report.exists() and place.settings() == config):
            shutil.rmtree(place.path, ignore_errors=True)
            found = self.found.to_json() if self.found else None
            place.create(config, self.training, self.held_out, environment(config.run, self.workers), found)
            run = Run(config, self.workers, place, self.training, self.held_out)
            run.offers_start = False
            run.go()
        return read_report(place.report)["scores"]

    def _usual(self) -> dict[str, Any]:
        """What the open settings are by default."""
        usual = dataclasses.replace(self.config, method=type(self.config.method)()).flat
        return {name: usual[name] for name in self.told[0]}

    def _why(self) -> str:
        """Why no trial could be judged."""
        if self.found and self.found.obstacle:
            return f"{self.found.obstacle}, and {OF_NO_USE}"
        return f"no trial has an error that can be estimated, and {OF_NO_USE}"


def _cost(scores: dict[str, Any]) -> float:
    """What is lowest for the best; not a number where nothing tells."""
    return -scores[PSNR] if PSNR in scores else scores.get(COST, math.nan)


def _differing(flat: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in other.items() if flat.get(name) != value}


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in settings.items())
