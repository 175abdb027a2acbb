"""An image layer as planes, and planes as a layer that lies where it lay. Imports neither napari nor TensorFlow."""

from typing import Any

import numpy as np

from n2n_tf.config import UsageError
from n2n_tf.config.kinds import COUNTS, RGB
from n2n_tf.data.planes import Planes

ALONE = -1  # no axis of channels: each plane is a gray image
MOST_CHANNELS = 16  # of an axis that may be one of channels; more are depths or times
SHARE = 0.8  # of the memory that is free, which a result may fill
Layer = Any  # napari.layers.Image, which is not imported here


def called(layer: Layer) -> str:
    """A layer in messages, and as the images of a run."""
    return f"layer {layer.name}"


def whole(layer: Layer) -> Any:
    """Its array; of several resolutions the full one."""
    return layer.data[0] if layer.multiscale else layer.data


def channel_axes(layer: Layer | None) -> list[tuple[str, int]]:
    """What may be its channels, in words, and the number of the axis."""
    if layer is None:
        return [("each plane alone", ALONE)]
    shape = whole(layer).shape
    if layer.rgb:
        return [("red, green, blue", len(shape) - 1)]
    labels = getattr(layer, "axis_labels", None) or [str(axis - len(shape)) for axis in range(len(shape))]
    few = [axis for axis in range(len(shape) - 2) if 1 < shape[axis] <= MOST_CHANNELS]
    return [("each plane alone", ALONE), *((f"axis {labels[axis]}: {shape[axis]} together", axis) for axis in few)]


def planes_of(layer: Layer, axis: int) -> Planes:
    """Its planes; nothing is read yet.

    Args:
        layer: an image layer.
        axis: of the channels, one of `channel_axes`.

    Raises:
        UsageError: one line, or pixels that are no intensities.
    """
    array = whole(layer)
    if np.dtype(array.dtype).kind not in "uif":
        raise UsageError(f"{called(layer)}: its pixels are {array.dtype}; wanted integers or floats: convert its type")
    if len(array.shape) < 2:
        raise UsageError(f"{called(layer)}: is one line of pixels; wanted planes")
    return Planes(array, None if axis == ALONE else axis, COUNTS[RGB] if layer.rgb else 0)


def room(planes: Planes, name: str) -> np.ndarray:
    """An array for the result, of the same axes and type; what is no colour, alpha, is in there.

    Raises:
        UsageError: it would not fit into memory.
    """
    import psutil  # comes with napari

    free = SHARE * psutil.virtual_memory().available
    if planes.nbytes > free:
        raise UsageError(
            f"{name}: the result takes {planes.nbytes / 1e9:.1f} GB, and {free / 1e9:.1f} are free: crop it, or "
            "denoise its file, which takes a plane at a time: n2n-tf denoise MODEL FILE"
        )
    if planes.colors:
        return np.array(planes.array)
    return np.empty(tuple(map(int, planes.array.shape)), planes.dtype)


def spread(planes: Planes, plane: np.ndarray) -> np.ndarray:
    """A plane, [H, W, C], wherever a slider stands: an array of the layer's axes that holds it once."""
    shape = tuple(map(int, planes.array.shape))
    shape = (*shape[:-1], planes.shape[2]) if planes.last else shape
    axes = len(shape) - 2 - planes.last
    once = np.empty([1 if n < axes and n != planes.channels else side for n, side in enumerate(shape)], plane.dtype)
    Planes(once, planes.channels).write(once, 0, plane)
    return np.broadcast_to(once, shape)


def number_at(planes: Planes, layer: Layer, point: tuple[float, ...]) -> int:
    """Which plane is shown where the viewer's sliders stand, the nearest if none is."""
    place = np.round(layer.world_to_data(point)).astype(int)
    outer = [each for axis, each in enumerate(place[:-2]) if axis != planes.channels]
    inside = [min(max(int(each), 0), side - 1) for each, side in zip(outer, planes.outer, strict=True)]
    return int(np.ravel_multi_index(inside, planes.outer)) if inside else 0


def beside(layer: Layer, data: np.ndarray, name: str, **metadata: Any) -> tuple[np.ndarray, dict[str, Any], str]:
    """Data of a layer's axes as a layer: its scale, units, contrast limits, colours and metadata.

    Args:
        layer: that it lies beside.
        data: of the same axes.
        name: of the new layer.
        metadata: more of it, under `n2n_tf`.

    Returns:
        What `napari.layers.Layer.create` takes.
    """
    _, state, kind = layer.as_layer_data_tuple()
    told = {**state["metadata"], "n2n_tf": metadata}
    return data, {**state, "name": name, "metadata": told, "multiscale": False, "visible": True}, kind
