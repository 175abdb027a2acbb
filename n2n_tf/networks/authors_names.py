"""How the authors' PyTorch code names the weights of networks that are built here."""

import functools
import re
from collections.abc import Callable, Mapping

import keras
import numpy as np

from n2n_tf.networks.blindspot_unet import blindspot_unet
from n2n_tf.networks.dbsnl import BRANCHES, dbsnl
from n2n_tf.networks.rrg import BLOCKS, GROUPS, rrg
from n2n_tf.networks.unet import unet

Namer = Callable[[str], list[list[str]]]  # a layer's name -> of each of its weights, the names that it has there
FIRST = ("enc_conv0.weight", "head.0.weight")  # of the U-Nets; of RRGs and DBSNl
DILATED = re.compile(r"branch1\.body\.\d+\.body\.0\.weight")


def known_by(state: Mapping[str, np.ndarray]) -> tuple[Callable[..., keras.Model], Namer]:
    """Which network a state dict is of, and how that names its weights."""
    if FIRST[0] in state:
        rows = np.shape(state.get("nin_a.weight", ()))[:1]
        blind = rows == (8 * state[FIRST[0]].shape[0],)  # of four passes
        return blindspot_unet if blind else unet, _unet_names
    if modules := sum(DILATED.fullmatch(name) is not None for name in state):
        return functools.partial(dbsnl, modules=modules), functools.partial(_dbsnl_names, modules)
    return rrg, _rrg_names


def without_holes(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Kernels of DBSNl that have a hole as the four parts around it; what they store in the hole has no effect."""
    whole = dict(state)
    for number, dilation in enumerate(BRANCHES, 1):
        name, r = f"branch{number}.body.0.weight", dilation - 1
        if np.shape(whole.get(name, ()))[2:] == (2 * r + 1,) * 2:
            kernel = whole.pop(name)
            middle = kernel[:, :, r : r + 1]
            whole[f"{name}.above"], whole[f"{name}.below"] = kernel[:, :, :r], kernel[:, :, r + 1 :]
            whole[f"{name}.left"], whole[f"{name}.right"] = middle[..., :r], middle[..., r + 1 :]
    return whole


def _unet_names(layer: str) -> list[list[str]]:
    """The authors' names of a layer's weights; several names where they store one weight several times."""
    prefix = layer + ".deconv" if layer.startswith("up") else layer.partition("_hole")[0]
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


def _dbsnl_names(modules: int, layer: str) -> list[list[str]]:
    branch, _, part = layer.partition("_")
    if part.startswith("hole_"):
        return [[f"{branch}.body.0.weight.{part.removeprefix('hole_')}"], [f"{branch}.body.0.bias"]]
    if found := re.fullmatch(r"(dilated|mixed)(\d+)", part):
        place = f"{6 + int(found[2])}.body.{0 if found[1] == 'dilated' else 2}"
    else:
        place = {"in_a": "2", "in_b": "4", "out": str(6 + modules)}.get(part, "")
    prefix = f"{branch}.body.{place}" if place else DBSNL_ENDS.get(layer, layer)
    return [[f"{prefix}.weight"], [f"{prefix}.bias"]]


DBSNL_ENDS = {"head": "head.0", "tail_a": "tail.0", "tail_b": "tail.2", "tail_c": "tail.4", "tail_d": "tail.6"}
RRG_PARTS = {
    "conv1": "body.0",
    "conv2": "body.2",
    "where": "SA.spatial.conv",
    "what1": "CA.conv_du.0",
    "what2": "CA.conv_du.2",
    "merge": "conv1x1",
}
