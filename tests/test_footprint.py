import keras
import numpy as np
import pytest
from keras import layers

from n2n_tf.inference import Denoiser, Footprint, footprint_of
from n2n_tf.networks import dncnn, unet


def model(*stack):
    image = x = keras.Input((None, None, 1))
    for layer in stack:
        x = layer(x)
    return keras.Model(image, x)


def skipping():
    image = keras.Input((None, None, 1))
    small = layers.Conv2D(1, 5, padding="same")(layers.MaxPooling2D(4)(image))
    large = layers.Conv2DTranspose(1, 4, strides=4)(small)
    return keras.Model(image, layers.Add()([large, layers.Conv2D(1, 3, padding="same")(image)]))


def residual():
    image = keras.Input((None, None, 1))
    return keras.Model(image, image - layers.Conv2D(1, 3, padding="same")(image))


def shared():
    image = keras.Input((None, None, 1))
    twice = layers.Conv2D(1, 3, padding="same")
    return keras.Model(image, twice(twice(image)))


CASES = {
    "unet": (lambda: unet(1, 2), 32, 128),
    "dncnn": (lambda: dncnn(1, 2), 1, 17),
    "conv 5×5": (lambda: model(layers.Conv2D(1, 5, padding="same")), 1, 2),
    "even kernel": (lambda: model(layers.Conv2D(1, 4, padding="same")), 1, 2),
    "dilated": (lambda: model(layers.Conv2D(1, 3, padding="same", dilation_rate=4), layers.LeakyReLU(0.2)), 1, 4),
    "separable": (lambda: model(layers.SeparableConv2D(1, 3, padding="same"), layers.ReLU()), 1, 1),
    "pooled": (lambda: model(layers.AveragePooling2D(3), layers.UpSampling2D(3)), 3, 0),
    "skip": (skipping, 4, 8),
    "operator": (residual, 1, 1),
    "shared": (shared, 1, 2),
    "padded": (lambda: model(layers.ZeroPadding2D(((0, 0), (4, 0))), layers.Conv2D(1, (1, 5))), 1, 4),
    "sequential": (lambda: keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(1, 5, padding="same")]), 1, 2),
}


@pytest.mark.parametrize("name", CASES)
def test_reach_is_what_an_impulse_shows(name):
    """With positive weights nothing cancels: an impulse changes exactly the outputs that depend on its pixel."""
    build, cell, reach = CASES[name]
    network = build()
    found = footprint_of(network)
    assert (found.cell, found.reach) == (cell, reach)
    for weight in network.weights:
        shift = any(name in weight.name for name in ("bias", "beta", "mean"))  # zeros stay zeros
        weight.assign(np.full(weight.shape, 0.0 if shift else 0.5))
    start = cell * -(-(reach + 2) // cell)
    length = 2 * start + cell
    impulses = np.repeat(np.eye(length, dtype=np.float32)[:, None, :, None], cell, axis=1)  # one for each image
    changed = np.asarray(network(impulses, training=False))[:, 0, start : start + cell].any(axis=(1, 2))
    places = np.flatnonzero(changed)
    distance = max(start - places.min(), places.max() - (start + cell - 1))
    assert distance == reach


def test_the_docstrings_tell_the_papers_network():
    found = footprint_of(unet())
    assert (found.cell, found.reach, found.receptive_field) == (32, 128, 288)
    assert f"cell {found.cell}, reach {found.reach}, receptive field {found.receptive_field}" in Footprint.__doc__
    assert f"reach ({found.reach} pixels" in Denoiser.__doc__
    assert f"receptive field is {found.receptive_field}" in " ".join(Denoiser.__doc__.split())


def test_memory_is_the_widest_moment():
    assert footprint_of(unet()).floats_per_pixel == 96 + 3 + 99  # upsampled, image, both side by side
    assert footprint_of(model(layers.Conv2D(7, 3, padding="same"), layers.Conv2D(1, 1))).floats_per_pixel == 8
    assert footprint_of(skipping()).floats_per_pixel == 3  # the image or the sum, and both branches


def stacked():
    image = keras.Input((None, None, 1))
    return keras.Model(image, layers.Concatenate(axis=1)([image, image]))


@pytest.mark.parametrize(
    "build",
    [
        lambda: model(layers.GlobalAveragePooling2D(keepdims=True)),
        lambda: model(layers.Conv2D(1, 3, strides=2, padding="same")),
        lambda: model(layers.Conv2D(1, 3)),
        lambda: model(layers.UpSampling2D(2, interpolation="bilinear")),
        lambda: model(layers.Conv2DTranspose(1, 3, strides=2)),
        lambda: model(layers.MaxPooling2D(3, strides=1)),
        lambda: model(layers.Softmax(axis=1)),
        lambda: model(layers.Permute((2, 1, 3))),
        lambda: model(layers.Cropping2D(1)),
        stacked,
    ],
)
def test_a_layer_that_is_not_known_is_named(build):
    network = build()
    with pytest.raises(ValueError, match=f"layer '{network.layers[-1].name}' .* is not known"):
        footprint_of(network)


class Subclass(keras.Model):
    def call(self, image):
        return image


def test_a_network_that_is_no_graph_of_layers():
    image = keras.Input((None, None, 1))
    for network in (keras.Model(image, [image, layers.ReLU()(image)]), Subclass()):
        with pytest.raises(ValueError, match="not a functional model of layers, image in, image out"):
            footprint_of(network)


def test_parts_that_show_different_places_are_not_put_together():
    image = keras.Input((None, None, 1))
    network = keras.Model(image, layers.Add(name="sum")([image, layers.Permute((2, 1, 3))(image)]))
    with pytest.raises(ValueError, match=r"layer 'sum' .* is not known: its inputs show different places"):
        footprint_of(network)
