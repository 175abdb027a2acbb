"""What a .keras file says that it holds, read before Keras builds any of it."""

import io
import json
import math
import zipfile
from collections.abc import Iterator
from typing import Any

import h5py

from n2n_tf.config import UsageError
from n2n_tf.inference.saving import MOST_BYTES

RUNS_CODE = ("Lambda", "TFSMLayer")  # the second escapes Keras's safe mode before 3.13.2, CVE-2026-1462
FULL = ("Dense", "Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose")  # their kernels join every input to every output


def check_declared(archive: zipfile.ZipFile, file: str) -> None:
    """Refuse a file that runs code, or whose layers want more weights than it holds: Keras would allocate them.

    Raises:
        UsageError: such a file.
    """
    wanted = 0
    for layer in _objects(json.loads(archive.read("config.json"))):
        if layer.get("class_name") in RUNS_CODE:
            raise UsageError(
                f"{file}: cannot be used as a denoiser: it holds a {layer['class_name']} layer, which runs code; "
                "wanted stock layers alone"
            )
        wanted += _least_weights(layer)
    with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
        sizes: list[tuple[int, int]] = []
        weights.visititems(lambda name, item: sizes.append((getattr(item, "size", 0), getattr(item, "nbytes", 0))))
    held, unpacked = (sum(column) for column in zip(*sizes, strict=True)) if sizes else (0, 0)
    if unpacked > MOST_BYTES:
        raise UsageError(
            f"{file}: its weights unpack to {unpacked / 1e9:.1f} GB; at most {MOST_BYTES / 1e9:.1f} are read"
        )
    if wanted > held:
        raise UsageError(f"{file}: damaged: its layers have at least {wanted:,} weights, and it holds {held:,}")


def _objects(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects of a JSON document."""
    left = [tree]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            yield item
            left.extend(item.values())
        elif isinstance(item, list):
            left.extend(item)


def _least_weights(layer: dict[str, Any]) -> int:
    """How many weights a layer has at least; 0 for what is none."""
    config = layer.get("config")
    if not isinstance(config, dict):
        return 0
    outputs = int(config.get("filters") or config.get("units") or 0)
    if layer.get("class_name") not in FULL:
        return max(0, outputs)
    kernel = config.get("kernel_size") or [1]
    area = math.prod(map(int, kernel)) if isinstance(kernel, list) else int(kernel)
    shape = (layer.get("build_config") or {}).get("input_shape") or [1]
    return max(0, outputs * area * int(shape[-1] or 1) // int(config.get("groups") or 1))  # never less for others
