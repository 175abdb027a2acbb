"""Short runs that choose what a setting leaves open."""

import dataclasses
import logging
import shutil
from typing import Any

from n2n_tf.config import UsageError
from n2n_tf.data.source import HeldOutSource, Source
from n2n_tf.files import write_json
from n2n_tf.inspection.report import Report
from n2n_tf.training.config import Config
from n2n_tf.training.environment import environment
from n2n_tf.training.records import read_report
from n2n_tf.training.run import Run, steps_per_epoch
from n2n_tf.training.rundir import RunDirectory
from n2n_tf.training.scorer import COST, PSNR
from n2n_tf.training.workers import Workers

logger = logging.getLogger(__name__)

EPOCHS, SHARE, FEWEST, MOST = 5, 0.1, 100, 500  # of a trial: steps are a share of the run's
DEFAULT = "it is not judged by `reconstruction`, which is lowest without a regularizer"


def choose(
    config: Config, workers: Workers, directory: RunDirectory, training: Source, held_out: HeldOutSource,
    found: Report | None,
) -> None:  # fmt: skip
    """Try the candidates, and write down the best in the run directory; nothing where there is one alone.

    An interrupted choice goes on with the trial that it was in. Of trials only their scores are kept.

    Args:
        config, workers, directory, training, held_out: of the run.
        found: what noise the images have, if they come noisy.

    Raises:
        UsageError: with several workers.
    """
    candidates = config.candidates()
    if len(candidates) == 1:
        return
    if workers.count > 1:
        raise UsageError("`gamma` auto with several workers: is for one; let it choose in a short run, and say `gamma`")
    scores: list[dict[str, Any]] = []
    told = [_differing(config, each) for each in candidates]
    if found and found.obstacle:
        best = _usual(config)
        logger.warning("%s: %s, and %s", _words(best), found.obstacle, DEFAULT)
    else:
        for number, each in enumerate(candidates):
            logger.info("trial %d of %d: %s", number + 1, len(candidates), _words(told[number]))
            place = RunDirectory(directory.path / "trials" / str(number))
            scores.append(_trial(each, workers, place, training, held_out, found))
        costs = [-each[PSNR] if PSNR in each else each[COST] for each in scores]
        best = told[costs.index(min(costs))]
        logger.info("%s: the best of the trials", _words(best))
    rows = [{**one, **other} for one, other in zip(told, scores, strict=False)]
    write_json(directory.trials, {"chosen": best, "trials": rows})
    shutil.rmtree(directory.path / "trials", ignore_errors=True)


def _trial(
    config: Config, workers: Workers, place: RunDirectory, training: Source, held_out: HeldOutSource,
    found: Report | None,
) -> dict[str, Any]:  # fmt: skip
    """The scores of a short run."""
    total = config.run.epochs * steps_per_epoch(config, training)
    steps = max(1, min(MOST, max(FEWEST, round(SHARE * total))) // EPOCHS)
    short = dataclasses.replace(config.run, epochs=EPOCHS, steps_per_epoch=steps, patience=0)
    config = dataclasses.replace(config, run=short)
    if not (place.begun and place.report.exists() and place.settings() == config):
        shutil.rmtree(place.path, ignore_errors=True)
        place.create(config, training, held_out, environment(config, workers), found)
        Run(config, workers, place, training, held_out).go()
    return read_report(place.report)["scores"]


def _usual(config: Config) -> dict[str, Any]:
    """What the open settings are by default."""
    usual = dataclasses.replace(config, method=type(config.method)())
    return {name: usual.flat[name] for name in _differing(config, config.candidates()[0])}


def _differing(config: Config, other: Config) -> dict[str, Any]:
    return {name: value for name, value in other.flat.items() if config.flat.get(name) != value}


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in settings.items())
