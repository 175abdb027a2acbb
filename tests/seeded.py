"""Weights of the U-Net and of its blind-spot mode that anyone can make again; the authors' code ran on the same."""

from pathlib import Path

import numpy as np

from n2n_tf.networks import blindspot_unet, unet
from n2n_tf.networks.authors import from_authors

CASES = {  # a network, and the name of its last layer; NAME_seeded.npz was computed by the authors' PyTorch code
    "unet": (unet, "nin_c"),
    "blindspot": (blindspot_unet, "nin_c_hole1"),
}


def seeded_state(name):
    """In the order and the layout of the authors' state dict."""
    build, last = CASES[name]
    random, network, state = np.random.default_rng(2021), build(), {}
    levels = range(5, 0, -1)
    layers = [f"enc_conv{number}" for number in range(7)]
    layers += [layer for level in levels for layer in (f"up{level}", f"dec_conv{level}a", f"dec_conv{level}b")]
    for layer in (*layers, "nin_a", "nin_b", "nin_c"):
        prefix = layer + ".deconv" * layer.startswith("up")
        kernel, bias = network.get_layer(last if layer == "nin_c" else layer).get_weights()
        shape = tuple(kernel.shape[axis] for axis in (3, 2, 0, 1))
        fan_in = shape[0] if layer.startswith("up") else np.prod(shape[1:])
        scale = np.float32(np.sqrt(2 / fan_in))
        state[f"{prefix}.weight"] = random.standard_normal(shape).astype(np.float32) * scale
        state[f"{prefix}.bias"] = random.standard_normal(bias.shape).astype(np.float32) * np.float32(0.05)
    return state


def seeded(name):
    """The network with these weights, and what the authors' code computed with them."""
    return from_authors(seeded_state(name)), np.load(Path(__file__).with_name(f"{name}_seeded.npz"))
