"""Optimizers and schedules by name."""

from collections.abc import Callable

import keras

from n2n_tf.config import Config, lookup
from n2n_tf.methods import GammaRamp

LEARNING_RATES: dict[str, Callable[[Config, int], keras.optimizers.schedules.LearningRateSchedule]] = {
    # paper section 5.1: "half-decayed per 20 epochs" of 100. (The authors' code halves first after epoch 19.)
    "halve": lambda config, steps: keras.optimizers.schedules.ExponentialDecay(
        config.learning_rate, max(1, steps // 5), 0.5, staircase=True
    ),
    "cosine": lambda config, steps: _cosine(config.learning_rate, steps, min(config.warmup_steps, steps // 10)),
}


def _cosine(highest: float, steps: int, warmup: int) -> keras.optimizers.schedules.CosineDecay:
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(highest, steps)
    return keras.optimizers.schedules.CosineDecay(0.0, steps - warmup, warmup_target=highest, warmup_steps=warmup)


GAMMAS: dict[str, Callable[[Config, int], float | GammaRamp]] = {
    "ramp": lambda config, steps: GammaRamp(config.gamma, config.epochs, steps // config.epochs),
    "constant": lambda config, steps: config.gamma,
}

OPTIMIZERS: dict[str, type[keras.optimizers.Optimizer]] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
}


def build_optimizer(config: Config, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer of a run of `steps` iterations."""
    optimizer = lookup(OPTIMIZERS, config.optimizer, "--optimizer")
    schedule = lookup(LEARNING_RATES, config.learning_rate_schedule, "--learning-rate-schedule")
    return optimizer(schedule(config, steps), beta_2=config.beta_2, epsilon=config.epsilon)
