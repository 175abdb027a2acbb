"""Denoising networks: functional Keras models of stock layers, image in, image out."""

import functools
from collections.abc import Callable

import keras

from n2n_tf.networks.dncnn import dncnn
from n2n_tf.networks.rrg import rrg
from n2n_tf.networks.unet import unet

NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "unet": unet,
    "residual_unet": functools.partial(unet, residual=True),
    "rrg": rrg,
    "dncnn": dncnn,
}

__all__ = ["NETWORKS", "dncnn", "rrg", "unet"]
