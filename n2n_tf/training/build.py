"""From settings to a compiled model."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from n2n_tf import compat
from n2n_tf.config import Config, lookup
from n2n_tf.methods import METHODS
from n2n_tf.networks import NETWORKS
from n2n_tf.noise import NOISES
from n2n_tf.training.optimization import GAMMAS, LEARNING_RATES, build_optimizer, find_optimizer

logger = logging.getLogger(__name__)


TABLES: dict[str, Mapping[str, Any]] = {  # of the settings that are names
    "network": NETWORKS, "method": METHODS, "noise": NOISES, "gamma_schedule": GAMMAS,
    "learning_rate_schedule": LEARNING_RATES,
}  # fmt: skip


def check_names(config: Config) -> None:
    """Raise UsageError if a setting is a name that is not known here; all of them before any work."""
    for field, table in TABLES.items():
        lookup(table, getattr(config, field), f"`{field}`")
    find_optimizer(config.optimizer)


def build_network(config: Config) -> keras.Model:
    """The network of a run, with its initial weights."""
    width = {"features": config.features} if config.features else {}
    return NETWORKS[config.network](config.channels, **width, init=config.init, seed=config.seed)


def build_model(config: Config, steps: int, strategy: tf.distribute.Strategy) -> keras.Model:
    """The method around its network, compiled, with all variables built, for a run of `steps` iterations."""
    with strategy.scope(), _precision(config.mixed_precision):
        gamma = GAMMAS[config.gamma_schedule](config, steps)
        model = METHODS[config.method](build_network(config), gamma=gamma, seed=config.seed)
        jit_compile = {"auto": compat.AUTO_JIT, "on": True, "off": False}[config.jit_compile]
        model.compile(optimizer=build_optimizer(config, steps), jit_compile=jit_compile)
        compat.build(model.optimizer, model.network.trainable_variables)
    return model


@contextlib.contextmanager
def _precision(name: str) -> Iterator[None]:
    """Layers made inside compute in this type; their variables stay float32."""
    if name == "float16" and not tf.config.list_physical_devices("GPU"):
        logger.warning("`mixed_precision` float16: without a GPU far slower than float32; bfloat16 may be faster")
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("float32" if name == "off" else f"mixed_{name}")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)
