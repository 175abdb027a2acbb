"""Use a denoiser: array in, array out."""

import keras
import numpy as np

SIDE_MULTIPLE = 32  # what the U-Net's five poolings need; harmless for networks that need less


def denoise(network: keras.Model, noisy: np.ndarray) -> np.ndarray:
    """Denoise one image or a batch, of any size.

    Args:
        network: image in, image out, float32 [B, H, W, C] in [0, 1].
        noisy: [H, W], [H, W, C] or [B, H, W, C]; uint8 or uint16 over their whole range, or float in [0, 1].

    Returns:
        Array of the same shape and dtype; integers are rounded and clipped, floats are not clipped.

    Raises:
        ValueError: a shape, channel count or dtype that does not fit.
    """
    noisy = np.asarray(noisy)
    channels = network.input_shape[-1]
    batch = {2: noisy[None, ..., None], 3: noisy[None], 4: noisy}.get(noisy.ndim)
    if batch is None or batch.shape[-1] != channels or 0 in batch.shape:
        raise ValueError(
            f"the image has shape {noisy.shape}; this network takes non-empty [H, W, {channels}], "
            f"[B, H, W, {channels}]{' or [H, W]' if channels == 1 else ''}"
        )
    if noisy.dtype in (np.uint8, np.uint16):
        peak = np.iinfo(noisy.dtype).max
        denoised = _denoise_float(network, batch.astype(np.float32) / np.float32(peak))
        restored = np.floor(np.clip(denoised, 0, 1) * np.float32(peak) + np.float32(0.5))
    elif noisy.dtype.kind == "f":
        restored = _denoise_float(network, batch.astype(np.float32))
    else:
        raise ValueError(f"the image is {noisy.dtype}; wanted uint8, uint16 or float: convert it")
    return restored.astype(noisy.dtype).reshape(noisy.shape)


def _denoise_float(network: keras.Model, batch: np.ndarray) -> np.ndarray:
    """Pad to what the network accepts by reflection, at the right and the bottom; predict; crop back."""
    height, width = batch.shape[1:3]
    padding = [(0, 0), (0, -height % SIDE_MULTIPLE), (0, -width % SIDE_MULTIPLE), (0, 0)]
    denoised = network(np.pad(batch, padding, "reflect"), training=False)
    return np.asarray(denoised)[:, :height, :width]
