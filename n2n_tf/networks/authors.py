"""The authors' PyTorch weights, as a Keras network."""

from collections.abc import Callable, Mapping

import keras
import numpy as np

from n2n_tf.networks.rrg import BLOCKS, GROUPS, rrg
from n2n_tf.networks.unet import unet


def from_authors(state: Mapping[str, np.ndarray]) -> keras.Model:
    """The paper's U-Net, or its recursive residual groups, with the weights of the authors' code.

    Args:
        state: their state dict as arrays, in PyTorch's layout: kernels [out, in, rows, columns], transposed ones
            [in, out, rows, columns]. Names may begin with `module.`, as after training on several GPUs.

    Raises:
        ValueError: it does not fit; the text lists each name that is missing, unknown or of another shape.
    """
    prefix = "module." if state and all(name.startswith("module.") for name in state) else ""
    state = {name.removeprefix(prefix): np.asarray(value) for name, value in state.items()}
    first = next((name for name in KNOWN if name in state), "")
    if np.ndim(state.get(first, 0)) != 4:
        raise ValueError(f"it has no {' or '.join(KNOWN)} of 4 axes; it has {_some(state)}")
    build, names_of = KNOWN[first]
    network = build(channels=state[first].shape[1], features=state[first].shape[0])
    wanted = {
        name: weight
        for layer in network.layers
        for names, weight in zip(names_of(layer.name), layer.weights, strict=False)
        for name in names
    }
    problems = [f"{name}: missing" for name in wanted if name not in state]
    problems += [f"{name}: unknown, shape {value.shape}" for name, value in state.items() if name not in wanted]
    for name, weight in wanted.items():
        shape = tuple(weight.shape[i] for i in (3, 2, 0, 1)) if len(weight.shape) == 4 else tuple(weight.shape[-1:])
        if name in state and state[name].shape != shape:
            problems.append(f"{name}: shape {state[name].shape}, wanted {shape}")
    assigned: dict[int, np.ndarray] = {}
    if problems:
        raise ValueError("\n  ".join([f"it does not fit the paper's {network.name}:", *problems]))
    for name, weight in wanted.items():
        value = state[name]
        value = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.reshape(weight.shape)
        if id(weight) in assigned and np.any(assigned[id(weight)] != value):
            raise ValueError(f"{name} differs from the other weights that the network shares with it")
        assigned[id(weight)] = value
        weight.assign(value)
    return network


def _unet_names(layer: str) -> list[list[str]]:
    """The authors' names of a layer's weights; several names where they store one weight several times."""
    prefix = layer + ".deconv" if layer.startswith("up") else layer
    return [[f"{prefix}.weight"], [f"{prefix}.bias"]]


def _rrg_names(layer: str) -> list[list[str]]:
    blocks = {f"group{g}_block{b}": f"body.{g}.body.{b}" for g in range(GROUPS) for b in range(BLOCKS)}
    if layer == "prelu":
        return [[f"body.{GROUPS + 1}.weight", *(f"{block}.body.1.weight" for block in blocks.values())]]
    block, _, part = layer.rpartition("_")
    if block in blocks:
        prefix = f"{blocks[block]}.{RRG_PARTS[part]}"
    elif part == "conv":
        prefix = f"body.{block.removeprefix('group')}.body.{BLOCKS}"
    else:
        prefix = {"head": "head.0", "body": f"body.{GROUPS}", "tail": "tail.0"}.get(layer, layer)
    return [[f"{prefix}.weight"], [f"{prefix}.bias"]]


RRG_PARTS = {
    "conv1": "body.0",
    "conv2": "body.2",
    "where": "SA.spatial.conv",
    "what1": "CA.conv_du.0",
    "what2": "CA.conv_du.2",
    "merge": "conv1x1",
}
KNOWN: dict[str, tuple[Callable[..., keras.Model], Callable[[str], list[list[str]]]]] = {  # by a name they have
    "enc_conv0.weight": (unet, _unet_names),
    "head.0.weight": (rrg, _rrg_names),
}


def _some(state: Mapping[str, np.ndarray], most: int = 5) -> str:
    names = list(state)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "nothing"
