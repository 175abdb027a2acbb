import dataclasses

import numpy as np
import pytest

from n2n_tf.config import Config
from n2n_tf.training.optimization import GAMMAS, LEARNING_RATES, OPTIMIZERS, build_optimizer

CONFIG = Config(noise="gaussian", learning_rate=0.1, epochs=10, gamma=2.0)


def rates(name, steps, **settings):
    schedule = LEARNING_RATES[name](dataclasses.replace(CONFIG, **settings), steps)
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
    ramp, constant = GAMMAS["ramp"](CONFIG, 50), GAMMAS["constant"](CONFIG, 50)
    np.testing.assert_allclose([float(ramp(step)) for step in range(50)], np.repeat(np.arange(1, 11) / 5, 5), rtol=1e-6)
    assert constant == 2.0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_take_the_settings(name):
    optimizer = build_optimizer(dataclasses.replace(CONFIG, optimizer=name, beta_2=0.9, epsilon=1e-8), 100)
    assert type(optimizer) is OPTIMIZERS[name]
    assert (optimizer.beta_2, optimizer.epsilon) == (0.9, 1e-8)
