"""What a training step costs on this machine."""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from n2n_tf.training.build import build_model
from n2n_tf.training.config import Config
from n2n_tf.training.stages import SHARE, shared

ROUNDS = 5  # in which all are measured in turn, so that other work slows all alike
STEPS = 3  # of each in a round, or fewer of one that takes long
LONG = 1.0  # seconds
Step = Callable[[], dict[str, tf.Tensor]]


def seconds_per_step(configs: Mapping[str, Config]) -> dict[str, float]:
    """Seconds of a step of each run, the reading of images left out: medians of rounds, side by side.

    Of one that is refined the mean over its two stages.
    """
    times: dict[str, list[float]] = {name: [] for name in configs}
    steps = {name: _steps(config) for name, config in configs.items()}
    for _ in range(ROUNDS):
        for name, stages in steps.items():
            times[name].append(sum(share * _seconds(step) for share, step in stages))
    return {name: statistics.median(found) for name, found in times.items()}


def _seconds(step: Step) -> float:
    began, count = time.perf_counter(), 0
    while count < STEPS and time.perf_counter() < began + LONG:
        float(step()["loss"])
        count += 1
    return (time.perf_counter() - began) / count


def _steps(config: Config) -> list[tuple[float, Step]]:
    """Of each stage its share of the steps, and a training step, which has run once."""
    config = config.candidates()[0]
    methods = config.method.in_stages("")
    refined = methods and methods[1].independent  # another second stage wants its teacher first
    shares = {config.method: 1.0}
    if methods and refined:
        first = shared(config.run, config.run.steps_per_epoch or 100)[0]
        part = first.epochs / config.run.epochs if config.run.epochs > 1 else SHARE
        shares = dict(zip(methods, (part, 1 - part), strict=True))
    side, channels, count = config.crops.patch_size, config.images.channels, config.crops.batch_size
    clean = np.random.default_rng(0).random((count, side, side, channels)).astype(np.float32)
    found: list[tuple[float, Step]] = []
    for method, share in shares.items():
        model = build_model(dataclasses.replace(config, method=method), 1000, tf.distribute.get_strategy())
        batch = (tf.constant(clean),) * (2 if method.target else 1)
        traced = tf.function(model.train_step, jit_compile=bool(model.jit_compile))  # as its `fit` does
        step = functools.partial(traced.get_concrete_function(batch), batch)
        step()
        found.append((share, step))
    return found
