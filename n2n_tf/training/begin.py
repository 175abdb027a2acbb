"""Begin a training run, or go on with one."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from n2n_tf.config import RunError, UsageError
from n2n_tf.data.arrays import Arrays
from n2n_tf.ownership import owned
from n2n_tf.training import stages
from n2n_tf.training.build import build_method, check_names
from n2n_tf.training.config import Config
from n2n_tf.training.data import find_data
from n2n_tf.training.environment import environment
from n2n_tf.training.inspecting import inspected
from n2n_tf.training.precision import fastest
from n2n_tf.training.records import read_report
from n2n_tf.training.release import released
from n2n_tf.training.rundir import RunDirectory
from n2n_tf.training.trials import Trials
from n2n_tf.training.watching import Watch
from n2n_tf.training.workers import Workers

logger = logging.getLogger(__name__)


def train(
    config: Config, output: str | Path, go_on: bool = False, images: Arrays | None = None, watch: Watch | None = None
) -> dict[str, Any]:
    """Train, and leave a run directory behind.

    Args:
        config: the settings.
        output: run directory, made here; several workers share it.
        go_on: if it holds a run, go on with that from its last checkpoint.
        images: to train on instead of those that the settings name; `data.arrays.arrays` makes them of an array.
        watch: follows the run, and can end it.

    Returns:
        What report.json holds; nothing on workers other than the chief.

    Raises:
        UsageError: settings that cannot be right, or other ones than those of the run; a watch of several workers.
        RunError: no usable image, the training diverged, or another process trains there, or is this worker.
        LostWorkerError: another worker has gone.
        StoppedError: SIGTERM came; the state is saved.
    """
    directory = RunDirectory(output)
    workers = Workers(config.run, config.crops.batch_size)
    if watch and workers.count > 1:
        raise UsageError("`watch` with several workers: is for one; SIGTERM to any of them stops all")
    if directory.path.exists() and not directory.path.is_dir():
        directory.check_free()  # for its error
    with owned(directory.path, workers.number), released():
        return _train(config, workers, directory, go_on, images, watch)


def resume(output: str | Path, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Go on with a run that was stopped, from its last checkpoint; else as `train`.

    Args:
        output: its run directory.
        settings: by field name; refused unless they are those of the run.
    """
    config, settings = RunDirectory(output).settings(), dict(settings or {})
    config = config.on(settings.get("strategy", config.run.strategy))
    check_same(config, settings)
    return train(config, output, go_on=True)


def check_same(config: Config, settings: Mapping[str, Any]) -> None:
    """Raise UsageError unless these settings, by field name, are those of the run; the strategy may be another."""
    own = config.flat
    for name, value in settings.items():
        value = tuple(value) if isinstance(value, list) else value
        if name != "strategy" and value != own.get(name):
            came = repr(own[name]) if name in own else "no such setting"
            raise UsageError(f"`{name}`: the run has {came}; it keeps its settings")


def _train(
    config: Config, workers: Workers, directory: RunDirectory, go_on: bool, images: Arrays | None, watch: Watch | None
) -> dict[str, Any]:
    """As `train`, in a directory that is ours."""
    begin = workers.chief and not (go_on and directory.begun)
    if begin:
        directory.check_free()
    check_names(config)
    if workers.count > 1 and go_on and directory.report.exists():  # the others have ended, and would not come
        return read_report(directory.report) if workers.chief else {}
    with workers.together():
        workers.join()
        build_method((config if begin else config.going_on()).candidates()[0], 1)  # for its errors
        here = environment(config.run, workers)
        if begin:
            training, held_out = find_data(config, images)
            training.check_workers(workers.count)
            alone = config.noise.name == "none" and not config.wants
            usual = config.crops.patch_size
            found, chosen = inspected(training, config.images, config.method, usual) if alone else (None, {})
            if config.run.mixed_precision == "auto":
                chosen["mixed_precision"] = fastest()
            if chosen.get("patch_size", 0) > usual:
                chosen |= config.crops.fewer(chosen["patch_size"], workers.strategy.num_replicas_in_sync)
                training, held_out = find_data(config.having(chosen), images)
            Trials(config.having(chosen), workers, training, held_out, found).choose(directory)
            directory.create(config, training, held_out, here, found.to_json() if found else None, chosen)
            logger.info("run directory: %s", directory.path)
        begun = workers.gather(begin)[0]
        if not begin:
            if not directory.begun:
                raise RunError(
                    f"`output` {directory.path}: worker {workers.number} sees no run there, where the chief "
                    "has begun one; it must be one place for all"
                )
            asked, config = config.flat, directory.as_begun(config)
            check_same(directory.settings(), config.flat)
            for name, value in config.flat.items():
                if value != asked[name]:
                    logger.info("`%s` %s: the run began before there was this setting", name, value)
            training, held_out = directory.open(config.images.channels, {} if begun else here)
        config = config.having(directory.found())
        if len(config.candidates()) > 1:
            config = config.having(directory.chosen())
        return stages.go(config, workers, directory, training, held_out, watch)
