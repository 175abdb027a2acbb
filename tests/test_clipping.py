"""Gradients far longer than usual, against Adam in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from n2n_tf.methods.clipping import Clipping
from n2n_tf.methods.supervised import Supervised
from tests.test_methods import scale_network

RATE, BETA_1, BETA_2, EPSILON = 0.01, 0.9, 0.99, 1e-7
START, STEPS, SPIKE = 0.7, 12, 8
RNG = np.random.default_rng(0)
NOISY = RNG.random((STEPS, 2, 4, 4, 1), np.float32)
CLEAN = NOISY * RNG.uniform(0.4, 0.5, (STEPS, 1, 1, 1, 1)).astype(np.float32)
CLEAN[SPIKE] += 100


def trained(clip, wrap=lambda optimizer: optimizer, **way):
    """The weight w of f(y) = w·y after each step, and what is usual at the end."""
    method = Supervised(scale_network(START))
    optimizer = keras.optimizers.Adam(RATE, BETA_1, BETA_2, EPSILON)
    method.compile(optimizer=wrap(optimizer), clip_gradients=clip, **way)
    weights = []
    for noisy, clean in zip(NOISY, CLEAN, strict=True):
        method.train_on_batch(noisy, clean)
        weights.append(float(method.network.get_weights()[0].squeeze()))
    return weights, method.clipping and method.clipping.state.numpy()[0] ** 0.5


def expected(clip):
    """The same, and how often it was clipped."""
    w, m, v, square, count, weights = START, 0.0, 0.0, 0.0, 0, []
    for step, (noisy, clean) in enumerate(zip(np.float64(NOISY), np.float64(CLEAN), strict=True), 1):
        gradient = np.mean(2 * (w * noisy - clean) * noisy)
        limit = clip * square**0.5 if step > 1 else np.inf
        square += (min(gradient**2, 100 * square if step > 1 else np.inf) - square) / step
        count += abs(gradient) > limit
        gradient = np.clip(gradient, -limit, limit)
        m, v = BETA_1 * m + (1 - BETA_1) * gradient, BETA_2 * v + (1 - BETA_2) * gradient**2
        rate = RATE * np.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
        w -= rate * m / (np.sqrt(v) + EPSILON)
        weights.append(w)
    return weights, square**0.5, count


@pytest.mark.parametrize("way", [{}, {"run_eagerly": True}, {"jit_compile": True}], ids=str)
def test_only_what_is_far_longer_than_usual_is_shortened(way):
    """A spike is shortened, to twice the root mean square; what is usual is left as it is, to the last bit."""
    (found, usual), (weights, end, count), (free, _) = trained(2.0, **way), expected(2.0), trained(0.0, **way)
    assert count == 1
    np.testing.assert_allclose(found, weights, rtol=1e-5)
    assert usual == pytest.approx(end, rel=1e-5)
    assert found[:SPIKE] == free[:SPIKE]
    assert abs(found[SPIKE] - free[SPIKE]) > 1e-3


@pytest.mark.parametrize("eager", [False, True])
def test_a_scaled_loss_is_clipped_alike(eager):
    def scaled(optimizer):
        often = {"dynamic_growth_steps": 2}  # so that the scale is another one at every other step
        return keras.mixed_precision.LossScaleOptimizer(optimizer, **often)

    found, usual = trained(0.5, scaled, run_eagerly=eager)
    weights, end, _ = expected(0.5)
    np.testing.assert_allclose(found, weights, rtol=1e-5)
    assert usual == pytest.approx(end, rel=1e-5)


def lengths(clipping, *given):
    return [clipping([tf.constant([length, 0.0]), None])[0].numpy()[0] for length in given]


def test_what_is_not_finite_stays_so_and_does_not_count():
    """So that a scaled loss notices it, and a diverged run ends."""
    clipping = Clipping(2.0)
    lengths(clipping, 1.0)
    for bad in (np.inf, np.nan):
        assert np.isnan(clipping([tf.constant([1.0, bad])])[0]).all()
    assert lengths(clipping, 3.0) == [2.0]


def test_what_is_usual_follows():
    """Also up from 0, and from what was far smaller; and a spike does not become usual."""
    clipping = Clipping(1.0)
    assert lengths(clipping, 0.0, 1e-6) == pytest.approx([0, 1e-6])
    assert lengths(clipping, *[1.0] * 60)[-1] == pytest.approx(1.0, rel=0.2)
    lengths(clipping, *[1.0] * 200)
    assert lengths(clipping, 1e6, 1e6) == pytest.approx([1, 2**0.5], rel=0.02)
    assert lengths(clipping, *[0.5] * 600, 1.0)[-1] == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("most", [-1.0, np.nan])
def test_what_is_no_limit(most):
    with pytest.raises(ValueError, match="wanted how many times the usual length"):
        Supervised(scale_network(START)).compile("sgd", clip_gradients=most)


def test_a_saved_method_clips(tmp_path):
    method = Supervised(scale_network(START))
    method.compile(optimizer="adam", clip_gradients=3.0)
    method.save(tmp_path / "method.keras")
    assert keras.models.load_model(tmp_path / "method.keras").clipping.most == 3.0
