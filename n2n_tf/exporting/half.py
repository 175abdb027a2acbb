"""The network in half precision, and what that costs."""

import time
from typing import Any

import keras
import numpy as np

from n2n_tf.compat import STORABLE
from n2n_tf.config import UsageError, gist
from n2n_tf.inference import RESCALING, Denoiser
from n2n_tf.methods.posterior import FORMULA, MEAN
from n2n_tf.value_range import UNIT


def in_half(network: keras.Model, dtype: str) -> keras.Model:
    """The network with weights and arithmetic in half precision; its last layer and result stay float32.

    Raises:
        UsageError: a network in a network, whose layers would stay as they are, or a type that Keras cannot store.
    """
    if dtype not in STORABLE:
        raise UsageError(f"`half` {dtype}: Keras {keras.__version__} cannot store it; wanted float16")
    nested = [layer.name for layer in network.layers if isinstance(layer, keras.Model)]
    if nested:
        raise UsageError(f"`half`: the network holds another one, {nested[0]!r}; wanted one of plain layers")
    layers = [layer.name for layer in network.layers if layer.name not in RESCALING]
    full = {layers[-1], *RESCALING, *_of_a_formula(network)}  # numbers of 16 bits are larger than float16's largest

    def cloned(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        is_layer = isinstance(layer, keras.layers.Layer) and not isinstance(layer, keras.layers.InputLayer)
        if is_layer and layer.name not in full:  # an operator like - follows its inputs
            config["dtype"] = dtype
        return layer.__class__.from_config(config)

    try:
        half = keras.models.clone_model(network, clone_function=cloned)
    except TypeError as error:  # Keras 2's operators want inputs of one type
        raise UsageError(f"`half`: an operator of the network cannot follow; make it a layer: {gist(error)}") from error
    half.set_weights(network.get_weights())
    return half


def _of_a_formula(network: keras.Model) -> set[str]:
    """Layers of a posterior mean, and the one whose result it begins with; none in other networks."""
    found = {layer.name for layer in network.layers if layer.name.startswith(FORMULA)}
    return found | ({network.get_layer(MEAN).input._keras_history[0].name} if MEAN in found else set())


def cost_of_half(network: keras.Model, half: keras.Model, side: int = 512) -> dict[str, float]:
    """What half precision costs and gains on one image: errors against float32, of the range, and seconds of each.

    The image is smooth with Gaussian noise of σ 25, side × side. Medians of three calls.
    """
    rows = np.linspace(0, 6, side, dtype=np.float32)
    clean = 0.5 + 0.4 * np.sin(rows[:, None, None]) * np.cos(rows[None, :, None]) * np.ones(network.input_shape[-1])
    noisy = (clean + np.random.default_rng(0).normal(0, 25 / 255, clean.shape)).astype(np.float32)
    results, seconds = [], []
    for each in (Denoiser(network, value_range=UNIT), Denoiser(half, value_range=UNIT)):
        results.append(each(noisy))
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            each(noisy)
            times.append(time.perf_counter() - begin)
        seconds.append(float(np.median(times)))
    error = results[1] - results[0]
    return {
        "rms_error": float(np.sqrt(np.mean(np.square(error)))),
        "largest_error": float(np.abs(error).max()),
        "seconds": seconds[1],
        "seconds_float32": seconds[0],
    }


def describe(cost: dict[str, Any]) -> str:
    """One line on what half precision costs."""
    return (
        f"half precision: rms error {cost['rms_error']:.5f}, largest {cost['largest_error']:.4f} of the range; "
        f"{cost['seconds']:.2f} s against {cost['seconds_float32']:.2f} s in float32, on this machine"
    )
