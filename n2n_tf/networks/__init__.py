"""Denoising networks: functional Keras models of stock layers, image in, image out."""

import functools
from collections.abc import Callable

import keras

from n2n_tf.networks.blindspot_unet import blindspot_unet
from n2n_tf.networks.dbsnl import dbsnl
from n2n_tf.networks.dncnn import dncnn
from n2n_tf.networks.rrg import rrg
from n2n_tf.networks.unet import unet

# in the order in which a file's network is looked for: the default first, and last what takes seconds to build
NETWORKS: dict[str, Callable[..., keras.Model]] = {
    "residual_unet": functools.partial(unet, residual=True),
    "unet": unet,
    "dncnn": dncnn,
    "blindspot_unet": blindspot_unet,
    "dbsnl": dbsnl,
    "rrg": rrg,
}

__all__ = ["NETWORKS", "blindspot_unet", "dbsnl", "dncnn", "rrg", "unet"]
