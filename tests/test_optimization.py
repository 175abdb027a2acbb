import dataclasses
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from n2n_tf import compat
from n2n_tf.config import UsageError
from n2n_tf.methods.settings import Neighbor2NeighborSettings, Setup
from n2n_tf.noise.settings import NoNoise
from n2n_tf.training.optimization import OPTIMIZERS, build_optimizer, find_optimizer
from n2n_tf.training.schedules import SCHEDULES, Halve
from n2n_tf.training.settings import OptimizerSettings

WANTED = OptimizerSettings(learning_rate=0.1)
IMAGES = np.random.default_rng(0).random((4, 8, 8, 1), np.float32)


def rates(name, steps, **settings):
    schedule = SCHEDULES[name](**settings).build(0.1, steps)
    return np.array([float(schedule(step)) for step in range(steps)])


def test_halved_after_every_fifth_of_the_steps():
    np.testing.assert_allclose(rates("halve", 50), np.repeat(0.1 * 0.5 ** np.arange(5), 10), rtol=1e-6)


@pytest.mark.parametrize(("warmup", "rise"), [(0, 0), (5, 5), (1000, 10)])
def test_cosine_rises_over_at_most_a_tenth_and_falls_to_0(warmup, rise):
    steps = np.arange(100)
    falling = 0.05 * (1 + np.cos(np.pi * (steps - rise) / (100 - rise)))
    expected = np.where(steps < rise, 0.1 * steps / max(rise, 1), falling)
    np.testing.assert_allclose(rates("cosine", 100, warmup_steps=warmup), expected, atol=1e-6)


def test_gamma_schedules():
    setup = Setup(50, 10, 0, NoNoise())
    network = keras.Sequential([keras.Input((None, None, 1)), keras.layers.Conv2D(1, 1)])
    ramp, constant = (
        Neighbor2NeighborSettings(gamma_schedule=name).build(network, setup).gamma for name in ("ramp", "constant")
    )
    np.testing.assert_allclose([float(ramp(step)) for step in range(50)], np.repeat(np.arange(1, 11) / 5, 5), rtol=1e-6)
    assert constant == 2.0


class Training:
    """A convolution that learns to be the identity."""

    def __init__(self, **settings):
        image = keras.Input((8, 8, 1))
        start = keras.initializers.Constant(0.05)
        self.network = keras.Model(image, keras.layers.Conv2D(1, 3, padding="same", kernel_initializer=start)(image))
        self.optimizer = build_optimizer(dataclasses.replace(WANTED, learning_rate=0.01, **settings), 100)
        compat.build(self.optimizer, self.network.trainable_variables)
        self.checkpoint = tf.train.Checkpoint(network=self.network, optimizer=self.optimizer)

    def steps(self, number):
        return np.array([self.step() for _ in range(number)])

    @tf.function
    def step(self):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self.network(IMAGES) - IMAGES))
        variables = self.network.trainable_variables
        compat.apply_gradients(self.optimizer, tape.gradient(loss, variables), variables)
        return loss


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_learns_and_goes_on_from_a_checkpoint(name, tmp_path):
    settings = {"optimizer": name, "learning_rate_schedule": Halve()}
    one, other = Training(**settings), Training(**settings)
    first = one.steps(8)
    assert first[-1] < first[0]
    path = one.checkpoint.write(str(tmp_path / "checkpoint"))
    rest = one.steps(8)  # Lookahead looks back every 6
    other.checkpoint.read(path).assert_consumed()
    np.testing.assert_array_equal(other.steps(8), rest)


@pytest.mark.parametrize("name", sorted({"adam", "adamw", "nadam", "rectifiedadam", "ranger"} & set(OPTIMIZERS)))
def test_settings_reach_the_optimizer(name):
    """By their effect: at the first step Adam's kind ends up at learning_rate · m / (sqrt(v) + epsilon)."""
    losses = [Training(optimizer=name, **settings).steps(8) for settings in ({}, {"beta_2": 0.5}, {"epsilon": 1.0})]
    for changed in losses[1:]:
        assert not np.allclose(changed, losses[0], rtol=1e-5)


def test_what_an_optimizer_does_not_have_is_said(caplog):
    caplog.set_level("INFO")
    build_optimizer(dataclasses.replace(WANTED, optimizer="sgd", epsilon=1e-8), 100)
    assert "`optimizer` sgd has no `beta_2`, no `epsilon`" in caplog.text
    caplog.clear()
    build_optimizer(WANTED, 100)
    assert not caplog.text


def test_an_unknown_optimizer_names_the_extra():
    with pytest.raises(UsageError, match=r"`optimizer`: 'novel' is not known; wanted one of .*adam") as caught:
        find_optimizer("novel")
    told = "in an environment of its own with Python 3.10 or 3.11: pip install n2n-tf[addons]" in str(caught.value)
    assert told == ("ranger" not in OPTIMIZERS)


REPLICAS = """
    import sys, keras, n2n_tf, numpy as np, tensorflow as tf
    from n2n_tf.compat import KERAS_2
    from n2n_tf.training.optimization import OPTIMIZERS

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    images = np.random.default_rng(0).random((8, 32, 32, 1), np.float32)
    batches = tf.data.Dataset.from_tensor_slices(images).batch(4)

    def trained(strategy, name, clip):
        with strategy.scope():
            image = keras.Input((None, None, 1))
            start = keras.initializers.Constant(0.1)
            conv = keras.layers.Conv2D(1, 3, padding="same", kernel_initializer=start)
            model = n2n_tf.Neighbor2Neighbor(keras.Model(image, conv(image)))
            optimizer = OPTIMIZERS[name](1e-3)
            if not clip or KERAS_2:
                model.compile(optimizer=optimizer, clip_gradients=clip)
        if clip and not KERAS_2:  # which takes no other place
            model.compile(optimizer=optimizer, clip_gradients=clip)
        loss = model.evaluate(batches, return_dict=True, verbose=0)["loss"]
        model.fit(batches, epochs=4, verbose=0)
        return conv.get_weights()[0], loss

    strategies = (tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), tf.distribute.get_strategy())
    for name, clip in ((sys.argv[1], 0.0), ("adam", 0.5)):  # 0.5: clips at each step but the first
        kernels, losses = zip(*(trained(strategy, name, clip) for strategy in strategies))
        assert np.abs(kernels[0] - 0.1).min() > 1e-4
        np.testing.assert_allclose(*kernels, atol=1e-6)
        np.testing.assert_allclose(*losses, rtol=1e-5)
"""


def test_two_replicas_make_the_steps_of_one_device():
    name = "ranger" if "ranger" in OPTIMIZERS else "lamb"
    command = [sys.executable, "-c", textwrap.dedent(REPLICAS), name]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.skipif("ranger" not in OPTIMIZERS, reason="TensorFlow Addons, which is for TensorFlow 2.15, is not there")
def test_ranger_is_lookahead_over_rectified_adam():
    """Lookahead (Zhang et al. 2019, algorithm 1): after 6 fast steps the weights are halfway back to the slow ones."""
    slow, fast = Training(optimizer="ranger"), Training(optimizer="rectifiedadam")
    start = fast.network.get_weights()
    for training in (slow, fast):
        training.steps(6)
    for begin, inner, outer in zip(start, fast.network.get_weights(), slow.network.get_weights(), strict=True):
        np.testing.assert_allclose(outer, (begin + inner) / 2, rtol=1e-5, atol=1e-7)
