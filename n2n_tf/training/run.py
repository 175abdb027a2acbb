"""A training run: the one place where data, noise, network, method and callbacks meet."""

import dataclasses
import functools
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from n2n_tf.config import Config, RunError, UsageError
from n2n_tf.data.finding import listing
from n2n_tf.data.pipeline import training_batches
from n2n_tf.data.source import HeldOutSource, Source
from n2n_tf.files import write_json
from n2n_tf.inference import load_denoiser
from n2n_tf.noise import NOISES, Noise
from n2n_tf.ownership import owned
from n2n_tf.training.average import AverageWeights
from n2n_tf.training.build import build_model, build_network, check_names
from n2n_tf.training.checkpoints import Checkpoints
from n2n_tf.training.data import find_data
from n2n_tf.training.divergence import StopAtNaN
from n2n_tf.training.preemption import StopAtSigterm
from n2n_tf.training.progress import ProgressBar
from n2n_tf.training.records import read_report
from n2n_tf.training.release import released
from n2n_tf.training.rundir import RunDirectory, environment
from n2n_tf.training.validation import Validation
from n2n_tf.training.workers import Workers

logger = logging.getLogger(__name__)

LEAST_STEPS = 100  # of an epoch, when --steps-per-epoch is left to us: small sets are passed over several times


def train(config: Config, output: str | Path, go_on: bool = False) -> dict[str, Any]:
    """Train, and leave a run directory behind.

    Args:
        config: the settings.
        output: run directory, made here; several workers share it.
        go_on: if it holds a run, go on with that from its last checkpoint.

    Returns:
        What report.json holds; nothing on workers other than the chief.

    Raises:
        UsageError: settings that cannot be right, or other ones than those of the run.
        RunError: no usable image, the training diverged, or another process trains there, or is this worker.
        LostWorkerError: another worker has gone.
        StoppedError: SIGTERM came; the state is saved.
    """
    directory = RunDirectory(output)
    workers = Workers(config)
    if directory.path.exists() and not directory.path.is_dir():
        directory.check_free()  # for its error
    with owned(directory.path, workers.number), released():
        return _train(config, workers, directory, go_on)


def _train(config: Config, workers: Workers, directory: RunDirectory, go_on: bool) -> dict[str, Any]:
    """As `train`, in a directory that is ours."""
    begin = workers.chief and not (go_on and directory.begun)
    if begin:
        directory.check_free()
    check_names(config)
    noise = NOISES[str(config.noise)](config)
    if workers.count > 1 and go_on and directory.report.exists():  # the others have ended, and would not come
        return read_report(directory.report) if workers.chief else {}
    with workers.together():
        workers.join()
        build_network(config)  # for its errors
        here = environment(config, workers)
        if begin:
            training, held_out = find_data(config)
            training.check_workers(workers.count)
            directory.create(config, training, held_out, here)
            logger.info("run directory: %s", directory.path)
        begun = workers.gather(begin)[0]
        if not begin:
            if not directory.begun:
                raise RunError(
                    f"`output` {directory.path}: worker {workers.number} sees no run there, where the chief "
                    "has begun one; it must be one place for all"
                )
            check_same(directory.settings(), dataclasses.asdict(config))
            training, held_out = directory.open(config, {} if begun else here)
        return _fit(config, workers, noise, training, held_out, directory)


def resume(output: str | Path, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Go on with a run that was stopped, from its last checkpoint; else as `train`.

    Args:
        output: its run directory.
        settings: by field name; refused unless they are those of the run.
    """
    config, settings = RunDirectory(output).settings(), dict(settings or {})
    config = dataclasses.replace(config, strategy=settings.get("strategy", config.strategy))
    check_same(config, settings)
    return train(config, output, go_on=True)


def check_same(config: Config, settings: Mapping[str, Any]) -> None:
    """Raise UsageError unless these settings, by field name, are those of the run; the strategy may be another."""
    for name, value in settings.items():
        value = tuple(value) if isinstance(value, list) else value
        if name != "strategy" and value != getattr(config, name):
            raise UsageError(f"`{name}`: the run has {getattr(config, name)!r}; it keeps its settings")


def _fit(
    config: Config, workers: Workers, noise: Noise | None, training: Source, held_out: HeldOutSource,
    directory: RunDirectory,
) -> dict[str, Any]:  # fmt: skip
    began = time.monotonic()
    per_epoch = config.steps_per_epoch or max(LEAST_STEPS, len(training) // config.batch_size)
    steps = config.epochs * per_epoch
    model = build_model(config, steps, workers.strategy)
    weights = AverageWeights(model.network, config.ema)
    validation = Validation(build_network(config), weights, held_out, noise, config, directory)
    checkpoints = Checkpoints(
        directory.checkpoints, config.checkpoint_steps, per_epoch, workers.chief,
        network=model.network, optimizer=model.optimizer, weights=weights.state, best=validation.best,
    )  # fmt: skip
    done = _restore(checkpoints, workers, steps)
    if workers.chief:
        directory.forget_from(done // per_epoch)
    with ProgressBar(done, steps, config.epochs) as progress, StopAtSigterm(checkpoints, workers) as sigterm:
        records = [
            validation,
            keras.callbacks.CSVLogger(directory.history, append=True),
            keras.callbacks.TensorBoard(directory.tensorboard, write_graph=False),
        ]
        # checkpoints behind the others, so that what they wrote of an epoch is never missing
        callbacks = [StopAtNaN(), weights, *(records if workers.chief else []), progress, checkpoints, sigterm]
        while done < steps:  # once; twice if resumed in the middle of an epoch, which then is a short one
            epoch, into_epoch = divmod(done, per_epoch)
            until = epoch + 1 if into_epoch else config.epochs
            checkpoints.start_at(done)
            batches = workers.strategy.distribute_datasets_from_function(
                functools.partial(training_batches, training, noise, config, done)
            )
            try:
                keras.Model.fit(  # not the method's own: what readers checked may have strong noise
                    model, batches, initial_epoch=epoch, epochs=until, steps_per_epoch=per_epoch - into_epoch,
                    shuffle=False, verbose=0, callbacks=callbacks,
                )  # fmt: skip
            except tf.errors.UnknownError as error:  # what TensorFlow makes of an exception of the reader
                raise (training.failure or error) from error
            done = until * per_epoch
        report = _report(config, workers, training, validation, directory, time.monotonic() - began)
        workers.wait()
    return report


def _restore(checkpoints: Checkpoints, workers: Workers, steps: int) -> int:
    """The number of steps done: that of the last checkpoint."""
    done = checkpoints.restore()
    found = workers.gather(done)
    if len(set(found)) > 1:
        raise RunError(f"the workers found checkpoints of different steps: {found}; `output` must be one place for all")
    if done:
        logger.info("going on after step %d of %d", done, steps)
    return done


def _report(
    config: Config, workers: Workers, training: Source, validation: Validation, directory: RunDirectory,
    seconds: float,
) -> dict[str, Any]:  # fmt: skip
    skipped = {**training.skipped, **validation.images.skipped}
    if skipped:
        logger.warning("%d files were skipped:\n%s", len(skipped), listing(skipped))
    if not workers.chief:
        return {}
    if not directory.denoiser.exists():
        raise RunError("no epoch's denoiser gave numbers on the held-out images; try a lower `learning_rate`")
    validation.use(load_denoiser(directory.denoiser))  # the best one, as users will load it
    path = directory.samples / "before_after.png"
    validation.save_picture(path)
    report = {
        "scores": validation.scores(),
        "scored_images": "training" if training.names == validation.images.names else "held-out",
        "picture": str(path),
        "denoiser": str(directory.denoiser),
        "data": list(config.data) or "sample images",
        "value_range": training.value_range and list(training.value_range),
        "training_images": len(training),
        "skipped": skipped,
        "seconds": round(seconds, 1),
        "seed": config.seed,
        "environment": environment(config, workers),
    }
    write_json(directory.report, report)
    return report
