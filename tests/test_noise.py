import numpy as np
import pytest
import tensorflow as tf

from n2n_tf.compat import KERAS_2
from n2n_tf.noise import Gaussian, Poisson

SIDE = 128
N = SIDE * SIDE * 3
CLEAN = tf.fill([SIDE, SIDE, 3], 0.4)


def check_moments(noise, variance, fourth):
    """Mean and variance of the noise within five standard errors; `fourth` is its fourth central moment."""
    error = (noise(CLEAN, [1, 2]) - CLEAN).numpy().astype(np.float64)
    assert abs(error.mean()) < 5 * np.sqrt(variance / N)
    assert abs(error.var() - variance) < 5 * np.sqrt((fourth - variance**2) / N)
    neighbors = (error[1:] * error[:-1]).mean()
    channels = (error[..., 1:] * error[..., :-1]).mean()
    assert abs(neighbors) < 5 * variance / np.sqrt(N * 0.99)  # independent between pixels
    assert abs(channels) < 5 * variance / np.sqrt(N * 2 / 3)  # and channels


def gaussian_moments(sigma):
    return sigma**2, 3 * sigma**4


def poisson_moments(lam):
    rate = lam * 0.4
    return rate / lam**2, (rate + 3 * rate**2) / lam**4


@pytest.mark.parametrize("sigma", [5 / 255, 25 / 255, 50 / 255])
def test_gaussian_moments(sigma):
    check_moments(Gaussian(sigma), *gaussian_moments(sigma))


@pytest.mark.parametrize("lam", [5.0, 30.0, 50.0])
def test_poisson_moments(lam):
    check_moments(Poisson(lam), *poisson_moments(lam))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda clean, seed: clean,
        lambda clean, seed: Gaussian(0.102)(clean, seed),  # 4 % too strong
        lambda clean, seed: Gaussian(25 / 255)(clean, seed) + 0.003,
        lambda clean, seed: clean + Gaussian(25 / 255)(clean[..., :1], seed) - clean[..., :1],
    ],
    ids=["no noise", "wrong strength", "biased", "one draw for all channels"],
)
def test_the_check_of_moments_can_fail(wrong):
    with pytest.raises(AssertionError):
        check_moments(wrong, *gaussian_moments(25 / 255))


def test_poisson_counts_are_whole_and_negative_intensities_count_as_zero():
    noisy = Poisson(30.0)(tf.constant([[[-0.5], [0.0], [1.0]]]), [0, 0]).numpy().ravel()
    np.testing.assert_array_equal(noisy[:2], 0)
    assert noisy[2] > 0
    counts = Poisson(7.0)(CLEAN, [0, 0]).numpy() * 7
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-4)


@pytest.mark.parametrize("kind", [Gaussian, Poisson])
def test_a_range_draws_one_level_for_each_image(kind):
    low, high = (5 / 255, 50 / 255) if kind is Gaussian else (5.0, 50.0)
    noise = kind(low, high)
    levels = []
    for number in range(200):
        spread = np.std(noise(tf.fill([64, 64, 1], 0.5), [0, number]) - 0.5)
        levels.append(spread if kind is Gaussian else 0.5 / spread**2)
    assert low * 0.9 < min(levels) < low + 0.1 * (high - low)
    assert high - 0.1 * (high - low) < max(levels) < high * 1.1
    # uniform: mean within five standard errors
    assert abs(np.mean(levels) - (low + high) / 2) < 5 * (high - low) / np.sqrt(12 * 200)


@pytest.mark.parametrize("noise", [Gaussian(0.1), Gaussian(0.02, 0.2), Poisson(30.0), Poisson(5.0, 50.0)])
def test_the_seed_decides_everywhere(noise):
    eager = noise(CLEAN, tf.constant([3, 4]))
    np.testing.assert_array_equal(noise(CLEAN, tf.constant([3, 4])), eager)
    (mapped,) = tf.data.Dataset.from_tensors(CLEAN).map(lambda clean: noise(clean, tf.constant([3, 4])))
    for graph in (tf.function(noise)(CLEAN, tf.constant([3, 4])), mapped):
        np.testing.assert_allclose(graph, eager, rtol=2e-7 if KERAS_2 else 0)  # there graphs multiply by 1/lam
    assert np.mean(noise(CLEAN, tf.constant([3, 5])) == eager) < 0.5


@pytest.mark.parametrize("kind", [Gaussian, Poisson])
@pytest.mark.parametrize("levels", [(0.0,), (-1.0,), (2.0, 1.0)])
def test_impossible_levels_are_refused(kind, levels):
    with pytest.raises(ValueError, match="above 0"):
        kind(*levels)


@pytest.mark.parametrize("noise", [Gaussian(5 / 255, 50 / 255), Poisson(5.0, 50.0)], ids=str)
def test_the_level_tells_nothing_of_the_noise(noise):
    """Of one image of a range: its spread, and how its first pixel lies in it, over 400 images."""
    clean = tf.fill([24, 24, 1], 0.4)
    images = tf.data.Dataset.range(400).map(lambda number: noise(clean, tf.stack([0, number])) - clean)
    errors = np.stack(list(images.as_numpy_iterator())).reshape(400, -1)
    levels = errors[:, 1:].std(axis=1)
    first = errors[:, 0] / levels
    for value in (first, abs(first)):
        assert abs(np.corrcoef(np.argsort(np.argsort(levels)), value)[0, 1]) < 5 / np.sqrt(400)


def test_negative_intensities_count_as_zero_in_the_authors_protocol_too():
    noisy = Poisson(30.0).draw(np.float32([[[-0.5], [0.0], [1.0]]]), np.random.RandomState(0)).ravel()
    assert (noisy[:2].tolist(), noisy[2] > 0, noisy.dtype) == ([0, 0], True, np.float32)
