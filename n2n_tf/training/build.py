"""From settings to a compiled model."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from n2n_tf.config import Config, UsageError, lookup
from n2n_tf.methods import METHODS
from n2n_tf.networks import NETWORKS
from n2n_tf.training.optimization import GAMMAS, build_optimizer


def build_network(config: Config) -> keras.Model:
    """The network of a run, with its initial weights."""
    network = lookup(NETWORKS, config.network, "--network")
    width = {"features": config.features} if config.features else {}
    return network(config.channels, **width, init=config.init, seed=config.seed)


def build_model(config: Config, steps: int) -> keras.Model:
    """The method around its network, compiled, with all variables built, for a run of `steps` iterations."""
    with build_strategy(config).scope(), _precision(config.mixed_precision):
        gamma = GAMMAS[config.gamma_schedule](config, steps)
        model = METHODS[config.method](build_network(config), gamma=gamma, seed=config.seed)
        jit_compile = {"auto": "auto", "on": True, "off": False}[config.jit_compile]
        model.compile(optimizer=build_optimizer(config, steps), jit_compile=jit_compile)
        model.optimizer.build(model.network.trainable_variables)
    return model


def build_strategy(config: Config) -> tf.distribute.Strategy:
    """The tf.distribute strategy; one device needs none."""
    devices = [d.name for d in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")]
    if config.strategy == "none" or (config.strategy == "auto" and len(devices) == 1):
        return tf.distribute.get_strategy()
    if config.batch_size % len(devices):
        raise UsageError(
            f"--batch-size {config.batch_size}: wanted a multiple of the {len(devices)} devices; "
            f"try {len(devices) * max(1, round(config.batch_size / len(devices)))}"
        )
    return tf.distribute.MirroredStrategy(devices)


@contextlib.contextmanager
def _precision(name: str) -> Iterator[None]:
    """Layers made inside compute in this type; their variables stay float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if name == "off" else f"mixed_{name}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
