"""What a training step costs on this machine."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from n2n_tf.training.build import build_model
from n2n_tf.training.config import Config
from n2n_tf.training.stages import SHARE

ROUNDS = 5  # in which all are measured in turn, so that other work slows all alike
STEPS = 3  # of each in a round


def seconds_per_step(configs: Mapping[str, Config]) -> dict[str, float]:
    """Seconds of a step of each run, the reading of images left out: medians of rounds, side by side.

    Of one that is refined the mean over its two stages.
    """
    parts = {name: [(share, _stepper(each)) for share, each in _stages(config)] for name, config in configs.items()}
    times: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(ROUNDS):
        for name, stages in parts.items():
            times[name].append(sum(share * _seconds(*stepper) for share, stepper in stages))
    return {name: statistics.median(found) for name, found in times.items()}


def _stages(config: Config) -> list[tuple[float, Config]]:
    """The stages of a run on images that noise is added to, and their shares of the steps."""
    config = config.candidates()[0]
    methods = config.method.in_stages("")
    if not methods:
        return [(1.0, config)]
    return [
        (share, dataclasses.replace(config, method=method))
        for share, method in zip((SHARE, 1 - SHARE), methods, strict=True)
    ]


def _seconds(step: Callable[[Any], Any], batches: Iterator[Any]) -> float:
    began = time.perf_counter()
    for _ in range(STEPS):
        float(step(next(batches))["loss"])
    return (time.perf_counter() - began) / STEPS


def _stepper(config: Config) -> tuple[Callable[[Any], Any], Iterator[Any]]:
    """A training step that has run once, and batches for it."""
    model = build_model(config, 1000, tf.distribute.get_strategy())
    side, channels, count = config.crops.patch_size, config.images.channels, config.crops.batch_size
    clean = np.random.default_rng(0).random((count, side, side, channels)).astype(np.float32)
    batch = (tf.constant(clean),) * (2 if config.method.target else 1)
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    step = tf.function(model.train_step, jit_compile=config.run.jit_compile == "on")
    step(next(batches))
    return step, batches
