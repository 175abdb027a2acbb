"""What is known of noise that neighbours share: how far it reaches, how it is drawn again; and pixels apart."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from n2n_tf.meter import METERS
from n2n_tf.meter.correlation import distance_of, independent_at
from n2n_tf.methods import Renoised
from n2n_tf.noise.measured import MeasuredNoise
from n2n_tf.sampling import Neighbors, put_together, taken_apart
from tests.scenes import RHO, blurred, scene

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("places", "wanted"),
    [
        ([], (1, 1)),
        ([(0, 1)], (1, 2)),
        ([(1, 0), (2, 0)], (3, 1)),
        ([(0, 1), (1, 0)], (2, 2)),
        ([(0, 1), (1, 0), (2, 2)], (2, 3)),  # both together
        ([(0, 1), (1, 0), (2, -2)], (2, 3)),
        ([(0, 1), (0, 4)], (1, 3)),  # 4 is a multiple of 2
        ([(0, right) for right in range(1, 6)], None),
        ([(0, 7)], (1, 2)),
    ],
)
def test_the_nearest_distance_without_anything_in_common(places, wanted):
    shared = np.zeros((9, 17), bool)
    for down, right in places:
        shared[down, 8 + right] = True
    assert distance_of(shared) == wanted
    assert wanted is None or independent_at(wanted, shared)


@pytest.mark.parametrize(("axes", "wanted"), [((0, 1), (2, 2)), ((1,), (1, 2)), ((0,), (2, 1))])
def test_the_distance_follows_the_axes_of_the_noise(axes, wanted):
    assert RHO[1] > 0.1 > RHO[2]
    found = METERS["correlation"]([blurred(scene(), 20, seed, axes) for seed in range(2)])
    assert distance_of(found.shared) == wanted


def test_one_channel_that_reaches_farther_counts():
    wide = np.convolve([1, 1, 1], [1, 1, 1]) / np.linalg.norm(np.convolve([1, 1, 1], [1, 1, 1]))
    noise = np.random.default_rng(0).normal(size=(2, 320, 384, 3)) * 20 / 255
    law = np.correlate(wide, wide, "full")[4:]
    blue = np.apply_along_axis(lambda row: np.convolve(row, wide, "same"), 2, noise[..., 2])
    noise[..., 2] = blue
    found = METERS["correlation"]((scene() + noise).astype(np.float32))
    assert distance_of(found.shared) == (1, int(np.flatnonzero(law > 0.1).max()) + 1)
    np.testing.assert_allclose(found.each[2, 0, 8:12], law[:4], atol=0.05)
    np.testing.assert_allclose(found.each[0, 0, 9:12], 0, atol=0.05)


def test_levels_follow_brightness():
    clean = scene()
    noise = np.random.default_rng(0).normal(size=(4, *clean.shape)) * (5 + 20 * clean) / 255
    found = METERS["correlation"]((clean + noise).astype(np.float32))
    at = (np.arange(16) + 0.5) / 16
    inside = (at > 0.2) & (at < 0.6)
    np.testing.assert_allclose(255 * np.sqrt(found.levels[0, inside]), (5 + 20 * at)[inside], rtol=0.1)


def test_taken_apart_as_the_authors_of_ap_bsn_do(reference):
    case = np.load(reference / "pixel_shuffle.npz")
    for factor in (2, 5):
        parts = taken_apart(tf.constant(case["input"]), (factor, factor)).numpy()
        rows, columns = parts.shape[1:3]
        tiles = case[f"down{factor}"].reshape(2, factor, rows, factor, columns, 3).transpose(0, 1, 3, 2, 4, 5)
        np.testing.assert_array_equal(parts, tiles.reshape(parts.shape))


@pytest.mark.parametrize("distance", [(2, 2), (1, 3), (3, 2)])
def test_neighbors_at_a_distance_of_each_axis(distance):
    image = np.stack(np.mgrid[:12, :24], -1)[None].repeat(2, 0).astype(np.float32)
    sampler = Neighbors(distance=distance)
    assert 12 % sampler.divides == 0
    one, two = (each.numpy() for each in sampler(tf.constant(image), sampler.draw(image.shape, [1, 2])))
    steps = {tuple(step) for step in np.abs(two - one).reshape(-1, 2)}
    assert steps == {(distance[0], 0), (0, distance[1])}
    parts = taken_apart(tf.constant(image), distance)
    np.testing.assert_array_equal(put_together(parts, distance), image)
    assert Neighbors.from_config(json.loads(json.dumps(sampler.get_config()))) == sampler


def test_measured_noise_is_as_it_was_measured():
    """Drawn, and measured by NumPy: σ by brightness, ρ along both axes, ρ between channels."""
    law = np.zeros((2, 9, 17))
    law[:, 0, 8] = 1
    law[0, 0, [7, 9]] = law[0, 1, 8] = RHO[1]
    law[0, 1, [7, 9]] = RHO[1] ** 2
    levels = np.tile((np.linspace(5, 20, 16) / 255) ** 2, (2, 1))
    noise = MeasuredNoise(levels, law, np.array([[1, 0.4], [0.4, 1]]))
    clean = np.broadcast_to(np.linspace(0, 1, 384)[None, None, :, None], (8, 256, 384, 2)).astype(np.float32)
    drawn = (noise(clean, [1, 2]) - clean).numpy()
    middles = (np.arange(16) + 0.5) / 16
    sigma = np.interp(clean[0, 0, :, 0], middles, np.sqrt(levels[0]))
    np.testing.assert_allclose(drawn.std((0, 1, 3)), sigma, rtol=0.12)
    unit = drawn / sigma[:, None]
    for axis in (1, 2):
        near, far = np.take(unit, range(200), axis), np.take(unit, range(1, 201), axis)
        np.testing.assert_allclose((near * far).mean((0, 1, 2)), [RHO[1], 0], atol=0.02)
    assert (unit[..., 0] * unit[..., 1]).mean() == pytest.approx(0.4, abs=0.02)
    again = MeasuredNoise.from_config(json.loads(json.dumps(noise.get_config())))
    np.testing.assert_array_equal(again(clean, [1, 2]), noise(clean, [1, 2]))


def test_renoised_by_hand():
    """f(y) = 0.5·y, the teacher 0.8·y: without noise, and with some of known variance."""
    image = RNG.random((2, 64, 64, 1)).astype(np.float32)
    scale = [keras.layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer=keras.initializers.Constant(each))
             for each in (0.5, 0.8)]  # fmt: skip
    networks = []
    for layer in scale:
        given = keras.Input((None, None, 1))
        networks.append(keras.Model(given, layer(given)))
    alone = Renoised(*networks)
    alone.compile(optimizer="sgd")
    loss = float(alone.losses(tf.constant(image), None)[0]["loss"])
    assert loss == pytest.approx(np.mean((0.5 * image - 0.8 * image) ** 2), rel=1e-5)
    law = np.zeros((1, 9, 17))
    law[0, 0, 8] = 1
    louder = Renoised(*networks, MeasuredNoise(np.full((1, 16), 0.04), law, np.eye(1)))
    louder.compile(optimizer="sgd")
    loss = float(louder.losses(tf.constant(image), None)[0]["loss"])
    assert loss == pytest.approx(np.mean((0.4 * image - 0.8 * image) ** 2) + 0.25 * 0.04, rel=0.05)


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_stored_as_three_channels_too(channels):
    """Channels that are one and the same share all of their noise."""
    gray = blurred(scene(1), 20)
    found = METERS["correlation"]([np.repeat(gray, channels, 2)])
    noise = MeasuredNoise(found.levels, found.each, found.channels)
    clean = np.full((1, 256, 256, channels), 0.4, np.float32)
    drawn = (noise(clean, [1, 2]) - clean).numpy()
    assert drawn.std() * 255 == pytest.approx(20, rel=0.05)
    np.testing.assert_allclose(drawn, drawn[..., :1].repeat(channels, -1), atol=0.01 * drawn.std())
