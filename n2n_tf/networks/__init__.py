"""Denoising networks: functional Keras models of stock layers, image in, image out."""

from n2n_tf.networks.unet import unet

NETWORKS = {
    "unet": unet,
}

__all__ = ["NETWORKS", "unet"]
