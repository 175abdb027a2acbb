"""Denoising networks: functional Keras models of stock layers, image in, image out."""

from n2n_tf.networks.dncnn import dncnn
from n2n_tf.networks.rrg import rrg
from n2n_tf.networks.unet import unet

NETWORKS = {
    "unet": unet,
    "rrg": rrg,
    "dncnn": dncnn,
}

__all__ = ["NETWORKS", "dncnn", "rrg", "unet"]
