"""Optimizers and schedules by name."""

import inspect
import logging
from collections.abc import Callable

import keras

from n2n_tf.compat import addons_optimizers
from n2n_tf.config import Config, UsageError, lookup
from n2n_tf.methods import GammaRamp

logger = logging.getLogger(__name__)

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

KERAS = (  # not Muon: but for matrices it is AdamW
    "Adadelta", "Adafactor", "Adagrad", "Adam", "Adamax", "AdamW", "Ftrl", "Lamb", "Lion", "Nadam", "RMSprop",
    "SGD",
)  # fmt: skip
OPTIMIZERS: dict[str, Callable[..., keras.optimizers.Optimizer]] = {
    **addons_optimizers(),
    **{name.lower(): getattr(keras.optimizers, name) for name in KERAS if hasattr(keras.optimizers, name)},
}


def find_optimizer(name: str) -> Callable[..., keras.optimizers.Optimizer]:
    """An optimizer's class, or what makes one; papers write RectifiedAdam, so its case does not matter.

    Raises:
        UsageError: it is not known here.
    """
    try:
        return lookup(OPTIMIZERS, name.lower(), "`optimizer`")
    except UsageError as error:
        if "ranger" in OPTIMIZERS:
            raise
        raise UsageError(
            f"{error}; TensorFlow Addons has more (rectifiedadam, lookahead, ranger, adabelief and others), in an "
            "environment of its own with Python 3.10 or 3.11: pip install n2n-tf[addons]"
        ) from None


def build_optimizer(config: Config, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer of a run of `steps` iterations; says which of its settings the optimizer does not have."""
    schedule = lookup(LEARNING_RATES, config.learning_rate_schedule, "`learning_rate_schedule`")
    settings = {"learning_rate": schedule(config, steps), "beta_2": config.beta_2, "epsilon": config.epsilon or None}
    optimizer = find_optimizer(config.optimizer)
    has = inspect.signature(optimizer).parameters
    without = [f"`{name}`" for name, value in settings.items() if value is not None and name not in has]
    if without:
        logger.info("`optimizer` %s has no %s", config.optimizer, ", no ".join(without))
    return optimizer(**{name: value for name, value in settings.items() if value is not None and name in has})
