"""What a training step costs on this machine."""

import statistics
import time
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from n2n_tf.training.build import build_model
from n2n_tf.training.config import Config

ROUNDS = 5  # in which all are measured in turn, so that other work slows all alike
STEPS = 3  # of each in a round


def seconds_per_step(configs: Mapping[str, Config]) -> dict[str, float]:
    """Seconds of a step of each run, the reading of images left out: medians of rounds, side by side."""
    steps = {name: _stepper(config) for name, config in configs.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, (step, batches) in steps.items():
            began = time.perf_counter()
            for _ in range(STEPS):
                float(step(next(batches))["loss"])
            times[name].append((time.perf_counter() - began) / STEPS)
    return {name: statistics.median(found) for name, found in times.items()}


def _stepper(config: Config) -> tuple:
    """A training step that has run once, and batches for it."""
    model = build_model(config.candidates()[0], 1000, tf.distribute.get_strategy())
    side, channels, count = config.crops.patch_size, config.images.channels, config.crops.batch_size
    clean = np.random.default_rng(0).random((count, side, side, channels)).astype(np.float32)
    batch = (tf.constant(clean),) * (2 if config.method.target else 1)
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    step = tf.function(model.train_step, jit_compile=config.run.jit_compile == "on")
    step(next(batches))
    return step, batches
