"""The authors' PyTorch weights, as a Keras network."""

from collections.abc import Mapping

import keras
import numpy as np

from n2n_tf.networks.unet import unet


def from_authors(state: Mapping[str, np.ndarray]) -> keras.Model:
    """The paper's U-Net with the weights of the authors' code.

    Args:
        state: their state dict as arrays, in PyTorch's layout: kernels [out, in, rows, columns], transposed ones
            [in, out, rows, columns]. Names may begin with `module.`, as after training on several GPUs.

    Raises:
        ValueError: it does not fit; the text lists each name that is missing, unknown or of another shape.
    """
    prefix = "module." if state and all(name.startswith("module.") for name in state) else ""
    state = {name.removeprefix(prefix): np.asarray(value) for name, value in state.items()}
    first = state.get("enc_conv0.weight", np.empty(0))
    if first.ndim != 4:
        raise ValueError(f"it has no enc_conv0.weight of 4 axes; it has {_some(state)}")
    network = unet(channels=first.shape[1], features=first.shape[0])
    wanted = {name: weight for layer in network.layers for name, weight in _named(layer)}
    problems = [f"{name}: missing" for name in wanted if name not in state]
    problems += [f"{name}: unknown, shape {value.shape}" for name, value in state.items() if name not in wanted]
    for name, weight in wanted.items():
        shape = tuple(weight.shape[i] for i in (3, 2, 0, 1)) if len(weight.shape) == 4 else tuple(weight.shape)
        if name in state and state[name].shape != shape:
            problems.append(f"{name}: shape {state[name].shape}, wanted {shape}")
    if problems:
        raise ValueError("\n  ".join(["it does not fit the paper's U-Net:", *problems]))
    for name, weight in wanted.items():
        value = state[name]
        weight.assign(value.transpose(2, 3, 1, 0) if value.ndim == 4 else value)
    return network


def _named(layer: keras.Layer) -> list[tuple[str, keras.Variable]]:
    """The authors' names of a layer's weights."""
    prefix = layer.name + ".deconv" if layer.name.startswith("up") else layer.name
    return list(zip((f"{prefix}.weight", f"{prefix}.bias"), layer.weights, strict=False))


def _some(state: Mapping[str, np.ndarray], most: int = 5) -> str:
    names = list(state)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "nothing"
