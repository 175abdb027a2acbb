"""Optimizers by name."""

import inspect
import logging
from collections.abc import Callable

import keras

from n2n_tf.compat import addons_optimizers
from n2n_tf.config import UsageError, lookup
from n2n_tf.training.settings import OptimizerSettings

logger = logging.getLogger(__name__)

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


def build_optimizer(wanted: OptimizerSettings, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer of a run of `steps` iterations; says which of its settings the optimizer does not have."""
    schedule = wanted.learning_rate_schedule.build(wanted.learning_rate, steps)
    settings = {"learning_rate": schedule, "beta_2": wanted.beta_2, "epsilon": wanted.epsilon or None}
    optimizer = find_optimizer(wanted.optimizer)
    has = inspect.signature(optimizer).parameters
    without = [f"`{name}`" for name, value in settings.items() if value is not None and name not in has]
    if without:
        logger.info("`optimizer` %s has no %s", wanted.optimizer, ", no ".join(without))
    return optimizer(**{name: value for name, value in settings.items() if value is not None and name in has})
