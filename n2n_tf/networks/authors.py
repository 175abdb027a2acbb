"""The authors' PyTorch weights, as a Keras network."""

from collections.abc import Mapping

import keras
import numpy as np

from n2n_tf.networks.authors_names import FIRST, known_by, without_holes


def from_authors(state: Mapping[str, np.ndarray]) -> keras.Model:
    """One of the papers' networks with the weights of its authors' code.

    The paper's U-Net, plain or with a blind spot, its recursive residual groups, or AP-BSN's DBSNl.

    Args:
        state: their state dict as arrays, in PyTorch's layout: kernels [out, in, rows, columns], transposed ones
            [in, out, rows, columns]. Names may begin with `module.`, as after training on several GPUs.

    Raises:
        ValueError: it does not fit; the text lists each name that is missing, unknown or of another shape.
    """
    prefix = "module." if state and all(name.startswith("module.") for name in state) else ""
    state = {name.removeprefix(prefix): np.asarray(value) for name, value in state.items()}
    first = next((name for name in FIRST if name in state), "")
    if np.ndim(state.get(first, 0)) != 4:
        raise ValueError(f"it has no {' or '.join(FIRST)} of 4 axes; it has {_some(state)}")
    build, names_of = known_by(state)
    state = without_holes(state)
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


def _some(state: Mapping[str, np.ndarray], most: int = 5) -> str:
    names = list(state)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "nothing"
