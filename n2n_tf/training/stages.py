"""A run may have two stages: what pixels apart teach, a plain network learns; or it is refined on whole images."""

import dataclasses
import functools
import logging
import shutil
from typing import Any

from n2n_tf.data.source import HeldOutSource, Source
from n2n_tf.files import write, write_json
from n2n_tf.inference import weights_beside
from n2n_tf.training.config import Config
from n2n_tf.training.environment import environment
from n2n_tf.training.page import write_page
from n2n_tf.training.records import read_report
from n2n_tf.training.run import Run
from n2n_tf.training.rundir import RunDirectory
from n2n_tf.training.settings import RunSettings
from n2n_tf.training.watching import Watch
from n2n_tf.training.workers import Workers

logger = logging.getLogger(__name__)

TEACHER = "teacher"  # directory of the first stage, in that of the run
SHARE = 0.75  # of the steps, that the first stage has; one of the second costs twice as much


def go(
    config: Config, workers: Workers, directory: RunDirectory, training: Source, held_out: HeldOutSource,
    watch: Watch | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train what is left of a run, all its stages; most runs have one.

    Args:
        config: the settings, nothing left open.
        workers, directory: of the run, which is begun.
        training, held_out: its images.
        watch: follows it; where that ends the first of two stages, what that reached is the result.

    Returns:
        As `Run.go`.
    """
    place, refined = RunDirectory(directory.path / TEACHER), False
    if methods := config.method.in_stages(str(place.denoiser)):
        runs = shared(config.run, config.run.steps(len(training), config.crops.batch_size) // config.run.epochs)
        first, config = (dataclasses.replace(config, method=m, run=r) for m, r in zip(methods, runs, strict=True))
        if not workers.gather(place.report.exists())[0]:  # the chief's word
            if workers.chief and not place.begun:
                place.create(first, training, held_out, environment(first.run, workers), directory.inspected()[0])
            workers.gather(0)  # it is there
            logger.info("first of two stages, in %s", place.path)
            Run(first, workers, place, training, held_out, watch).go()
            if watch and watch.stopped:
                logger.info("stopped in the first of two stages, whose denoiser is the result")
                return _taken(place, directory)
        refined = config.method.independent
        if refined:  # what the first stage gave is a result of this one too
            network = dataclasses.replace(config.network, weights=str(place.denoiser), init="default")
            config = dataclasses.replace(config, network=network)
        else:
            logger.info("second stage: a plain network, taught by the first")
    run = Run(config, workers, directory, training, held_out, watch)
    if methods and workers.chief:
        run.earlier = read_report(place.report)
    if refined:
        logger.info("second stage: refined on whole images, as %s", type(run.model).__name__)
    return run.go()


def _taken(first: RunDirectory, directory: RunDirectory) -> dict[str, Any]:
    """Make the first stage's denoiser, and its report, those of the run."""
    for path in (weights_beside(first.denoiser), first.denoiser):
        write(directory.path / path.name, functools.partial(shutil.copyfile, path))
    own = {"denoiser": str(directory.denoiser), "page": str(directory.page)}
    report = {**read_report(first.report), **own}
    write_json(directory.report, report)
    write_page(directory)
    return report


def shared(run: RunSettings, steps: int) -> tuple[RunSettings, RunSettings]:
    """A run as two: the epochs are shared, or the steps of the only one, and its seconds."""
    whole = run.epochs if run.epochs > 1 else steps
    first = max(1, min(round(SHARE * whole), whole - 1))
    name = "epochs" if run.epochs > 1 else "steps_per_epoch"
    one, other = (
        dataclasses.replace(run, **{name: part, "seconds": share * run.seconds})  # type: ignore[arg-type]
        for part, share in ((first, SHARE), (max(1, whole - first), 1 - SHARE))
    )
    return one, other
