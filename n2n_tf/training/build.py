"""From settings to a compiled model."""

import contextlib
import logging
from collections.abc import Iterator

import keras
import tensorflow as tf

from n2n_tf import compat
from n2n_tf.config import UsageError, lookup
from n2n_tf.data.pipeline import Recipe
from n2n_tf.inference import layers_of
from n2n_tf.methods.base import Method
from n2n_tf.methods.settings import SHOT, Setup
from n2n_tf.networks import NETWORKS
from n2n_tf.noise.measured import MeasuredNoise
from n2n_tf.training.config import Config
from n2n_tf.training.optimization import build_optimizer, find_optimizer
from n2n_tf.training.precision import fastest
from n2n_tf.weights import load_denoiser

logger = logging.getLogger(__name__)


def check_names(config: Config) -> None:
    """Raise UsageError if a network or an optimizer is not known here; before any work."""
    lookup(NETWORKS, config.network.network, "`network`")
    find_optimizer(config.optimizer.optimizer)


def build_network(config: Config) -> keras.Model:
    """The network of a run, with its initial weights."""
    wanted = config.network
    own = {"features": wanted.features} if wanted.features else {}
    own |= {"hole": wanted.hole} if wanted.hole != 1 else {}
    return NETWORKS[wanted.network](config.images.channels, **own, init=wanted.init, seed=config.run.seed)


def take_weights(network: keras.Model, path: str, what: str) -> None:
    """Those of a denoiser.

    Args:
        network: takes them.
        path: run directory, .keras file, or one that comes with the package.
        what: the setting that names it.

    Raises:
        UsageError: it is of another network.
    """
    other = load_denoiser(path)
    weights = other.get_weights()
    shapes = [[each.shape for each in of] for of in (weights, network.get_weights())]
    if shapes[0] != shapes[1] or layers_of(other) != layers_of(network):
        raise UsageError(
            f"`{what}` {path}: of another network; wanted `network` {network.name} with {network.input_shape[-1]} "
            "channels, and as wide, as here"
        )
    network.set_weights(weights)


def build_method(config: Config, steps: int, measured: MeasuredNoise | None = None) -> Method:
    """The method around its network, for a run of `steps` iterations.

    It starts from the weights of its teacher, else from those that the settings name.

    Args:
        config: the settings.
        steps: of the run.
        measured: what noise its images have, if it is known.

    Raises:
        UsageError: the teacher is of another network.
    """
    network, teacher = build_network(config), None
    if path := config.method.teacher:
        teacher = build_network(config)
        for each in (network, teacher):
            take_weights(each, path, "teacher")
    elif path := config.network.weights:
        take_weights(network, path, "weights")
    setup = Setup(steps, config.run.epochs, config.run.seed, config.noise, measured, teacher)
    return config.method.build(network, setup)


def build_model(
    config: Config, steps: int, strategy: tf.distribute.Strategy, measured: MeasuredNoise | None = None
) -> Method:
    """As `build_method`, compiled, with all variables built."""
    with strategy.scope(), _precision(config.run.mixed_precision):
        model = build_method(config, steps, measured)
        jit_compile = {"auto": compat.AUTO_JIT, "on": True, "off": False}[config.run.jit_compile]
        optimizer = build_optimizer(config.optimizer, steps)
        model.compile(optimizer=optimizer, clip_gradients=config.optimizer.clip_gradients, jit_compile=jit_compile)
        compat.build(model.optimizer, model.network.trainable_variables)
    return model


def build_recipe(config: Config) -> Recipe:
    """What is made of the images of a run."""
    return Recipe(
        config.crops, config.noise.build(), config.run.seed, config.images.is_mosaic, config.noise.noise_once,
        second=config.method.target == SHOT,
    )  # fmt: skip


@contextlib.contextmanager
def _precision(name: str) -> Iterator[None]:
    """Layers made inside compute in this type; their variables stay float32."""
    if name == "float16" and not tf.config.list_physical_devices("GPU"):
        logger.warning("`mixed_precision` float16: without a GPU far slower than float32; bfloat16 may be faster")
    if name == "auto":
        name = fastest()
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("float32" if name == "off" else f"mixed_{name}")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)
