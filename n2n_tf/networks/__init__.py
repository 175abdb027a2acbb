"""Denoising networks: functional Keras models of stock layers, image in, image out."""

import functools
from collections.abc import Callable

import keras

from n2n_tf.networks.blindspot_unet import blindspot_unet
from n2n_tf.networks.dbsnl import dbsnl
from n2n_tf.networks.dncnn import dncnn
from n2n_tf.networks.rrg import rrg
from n2n_tf.networks.unet import unet

NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "unet": unet,
    "residual_unet": functools.partial(unet, residual=True),
    "rrg": rrg,
    "dncnn": dncnn,
    "blindspot_unet": blindspot_unet,
    "dbsnl": dbsnl,
}

__all__ = ["NETWORKS", "blindspot_unet", "dbsnl", "dncnn", "rrg", "unet"]
