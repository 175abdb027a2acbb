"""Small runs, and how they are compared."""

import csv
import functools
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from n2n_tf.training.build import build_network
from n2n_tf.training.presets import build_config
from n2n_tf.training.rundir import RunDirectory

ROOT = Path(__file__).parents[1]
SMALL = {
    "network": "two_layers",
    "features": 4,
    "patch_size": 64,
    "batch_size": 2,
    "epochs": 2,
    "steps_per_epoch": 6,
    "checkpoint_steps": 4,
}


def two_layers(channels, features=4, init="default", seed=0):
    """A network whose graphs are made in no time; most of a small run's goes into the U-Net's."""
    conv = functools.partial(
        keras.layers.Conv2D, padding="same", kernel_initializer=keras.initializers.GlorotUniform(seed)
    )
    image = keras.Input((None, None, channels), name="image")
    x = conv(features, 3, activation="relu", name="first")(image)
    return keras.Model(image, conv(channels, 3, dtype="float32", name="last")(x), name="two_layers")


def two_layers_blind(channels, features=4, init="default", seed=0):
    """One that sees the rows above a pixel alone."""
    image = keras.Input((None, None, channels), name="image")
    above = keras.layers.ZeroPadding2D(((3, 0), (1, 1)))(image)
    start = functools.partial(keras.initializers.GlorotUniform, seed)
    x = keras.layers.Conv2D(features, 3, activation="relu", kernel_initializer=start(), name="first")(above)
    x = keras.layers.Cropping2D(((0, 1), (0, 0)))(x)
    last = keras.layers.Conv2D(channels, 1, kernel_initializer=start(), dtype="float32", name="last")
    return keras.Model(image, last(x), name="two_layers_blind")


def small(photos, **settings):
    return build_config({"data": [str(photos)], "noise": "gaussian", **SMALL, **settings})


def flags(photos, **settings):
    config = {"data": photos, "noise": "gaussian", **SMALL, **settings}
    return [part for name, value in config.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def state(directory):
    """Every variable of the last checkpoint: weights, optimizer, averages, best score."""
    reader = tf.train.load_checkpoint(str(Path(directory) / "checkpoints"))
    names = reader.get_variable_to_shape_map()
    names = (name for name in names if name.endswith("VARIABLE_VALUE") and not name.startswith("save_counter"))
    return {name: reader.get_tensor(name) for name in names}


def trained(directory):
    """The training weights of the last checkpoint."""
    network = build_network(RunDirectory(directory).settings())
    checkpoint = tf.train.Checkpoint(network=network)
    checkpoint.restore(
        tf.train.latest_checkpoint(str(Path(directory) / "checkpoints"))
    ).assert_existing_objects_matched()
    return network.get_weights()


def assert_same_state(one, other):
    one, other = state(one), state(other)
    assert one.keys() == other.keys()
    assert len(one) > 12  # 4 weights, two Adam moments each, and what else is kept
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def rows(directory):
    with (Path(directory) / "history.csv").open() as file:
        return list(csv.DictReader(file))


def saved_steps(directory):
    return {int(path.stem.removeprefix("step-")) for path in (directory / "checkpoints").glob("step-*.index")}


def until(happened, process, pause=0.1, most=90):
    """Wait for something that a living process does."""
    end = time.monotonic() + most
    while not happened():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(pause)
