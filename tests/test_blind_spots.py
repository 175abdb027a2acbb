"""Networks that do not see the pixel they predict: their authors' output, and the blind spot itself."""

import numpy as np
import pytest
import tensorflow as tf

from n2n_tf.config import UsageError
from n2n_tf.inference import Denoiser, footprint_of, layers_of
from n2n_tf.networks import blindspot_unet, dbsnl, dncnn, unet
from n2n_tf.networks.authors import from_authors
from n2n_tf.networks.blindspot_unet import turned
from n2n_tf.networks.dbsnl import INITS
from n2n_tf.training.build import build_network
from n2n_tf.training.presets import build_config
from tests.seeded import seeded

BLIND = {
    "blindspot_unet": lambda: blindspot_unet(2, 3, seed=0),
    "hole of 3": lambda: blindspot_unet(2, 3, seed=0, hole=3),
    "dbsnl": lambda: dbsnl(2, 16, seed=0, modules=2),
}
SEEING = {"unet": lambda: unet(2, 3, seed=0), "dncnn": lambda: dncnn(2, 3, seed=0)}
PIXELS = [(0, 0), (0, 40), (31, 63), (17, 0), (16, 32), (9, 22)]


def slopes(network):
    """Largest derivatives of the result at each of `PIXELS` by each pixel of the image, [6, 32, 64]."""
    image = np.random.default_rng(1).random((1, 32, 64, 2), np.float32)
    images = tf.constant(np.repeat(image, len(PIXELS), axis=0))
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = tf.reduce_sum(tf.gather_nd(network(images), [(number, *pixel) for number, pixel in enumerate(PIXELS)]))
    return np.abs(tape.gradient(value, images).numpy()).max(-1)


@pytest.mark.parametrize("name", BLIND)
def test_no_pixel_is_seen_by_its_own_result(name):
    reach = 1 if name == "hole of 3" else 0
    for (row, column), found in zip(PIXELS, slopes(BLIND[name]()), strict=True):
        hole, ring = (
            found[max(0, row - r) : row + r + 1, max(0, column - r) : column + r + 1] for r in (reach, reach + 1)
        )
        assert not hole.any()
        assert ring.any()


@pytest.mark.parametrize("name", SEEING)
def test_other_networks_fail_that(name):
    assert all(found[pixel] for pixel, found in zip(PIXELS, slopes(SEEING[name]()), strict=True))


def test_the_blind_u_net_equals_its_authors():
    network, case = seeded("blindspot")
    assert (network.name, network.count_params()) == ("blindspot_unet", 1_425_651)
    assert np.abs(np.asarray(network(case["input"])) - case["output"]).max() <= 1e-5 * np.abs(case["output"]).max()


@pytest.mark.parametrize(("name", "parameters"), [("blindspot_unet", 1_425_651), ("dbsnl", 106_099 - 2 * 32**2)])
def test_weights_of_their_authors_give_their_output(name, parameters, authors_state, reference):
    network, case = from_authors(authors_state(f"{name}_random.pth")), np.load(reference / f"{name}.npz")
    assert (network.name, network.count_params()) == (name, parameters)
    assert np.abs(np.asarray(network(case["input"])) - case["output"]).max() <= 1e-5 * np.abs(case["output"]).max()


def test_dbsnl_is_as_large_as_its_authors_but_for_the_holes():
    assert dbsnl().count_params() == 3_656_131 - 2 * 128**2


@pytest.mark.parametrize("init", INITS)
def test_the_parts_around_a_hole_have_one_variance(init):
    network, variance = dbsnl(3, 64, init, seed=0), INITS[init]["conv"] / (64 * 25)
    parts = [network.get_layer(f"branch2_hole_{part}").get_weights()[0] for part in ("above", "below", "left", "right")]
    for kernel in parts:
        assert abs(kernel.var() / variance - 1) < 5 * np.sqrt(2 / kernel.size)
    assert sum(kernel[..., 0, 0].size for kernel in parts) == 24


def test_turns_are_numpys():
    image = np.random.default_rng(0).random((2, 3, 5, 1), np.float32)
    for quarters in range(5):
        np.testing.assert_array_equal(turned(tf.constant(image), quarters), np.rot90(image, quarters, (1, 2)))


def test_an_image_that_is_turned_gives_the_turned_result_of_turned_weights():
    """Sides of 32 and 64: the pass from above sees what the pass from the left sees of the turned image."""
    network = blindspot_unet(1, 3, seed=0)
    image = np.random.default_rng(0).random((1, 32, 64, 1), np.float32)
    expected = np.rot90(network(image), 1, (1, 2))
    kernel, bias = network.get_layer("nin_a").get_weights()
    quarters = np.split(kernel, 4, axis=2)  # seen from above, then turned by 3, 2 and 1 quarters
    network.get_layer("nin_a").set_weights([np.concatenate([quarters[3], *quarters[:3]], 2), bias])
    np.testing.assert_allclose(network(np.rot90(image, 1, (1, 2)).copy()), expected, atol=1e-6)


def test_its_reach_is_what_an_impulse_shows():
    """In all four directions, since two passes see along each axis."""
    network = blindspot_unet(1, 1, seed=0)
    for weight in network.weights:
        weight.assign(np.full(weight.shape, 0.5 if len(weight.shape) == 4 else 0.0))
    found = footprint_of(network)
    start = -(-found.reach // 32) * 32 + 32
    places = [start - found.reach - 1, start - found.reach, start + 31 + found.reach, start + 32 + found.reach]
    tall = np.zeros((4, 2 * start + 32, 32, 1), np.float32)
    tall[range(4), places] = 1
    for images in (tall, tall.swapaxes(1, 2)):
        result = np.asarray(network(images))
        cell = result[:, start : start + 32] if images is tall else result[:, :, start : start + 32]
        assert cell.any((1, 2, 3)).tolist() == [False, True, True, False]


@pytest.mark.parametrize(("network", "tile"), [(lambda: blindspot_unet(1, 1, seed=0), 608), (BLIND["dbsnl"], 96)])
def test_tiles_give_the_whole_image(network, tile):
    network = network()
    image = np.random.default_rng(0).random((50, 2 * tile + 17, network.input_shape[-1])).astype(np.float32)
    whole, tiled = Denoiser(network)(image), Denoiser(network, tile=tile)(image)
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5 * np.abs(whole).max())


def test_a_run_has_a_hole_of_its_own():
    config = build_config({"data": ["x"], "noise": "gaussian", "method": "laine19", "hole": 5, "features": 2})
    assert build_network(config).layers[-1].name == "nin_c_hole5"
    for settings, text in (
        ({"network": "dbsnl"}, "wanted 1; it is for blindspot_unet"),
        ({"hole": 4}, "an odd number"),
    ):
        with pytest.raises(UsageError, match=text):
            build_config({"data": ["x"], "noise": "gaussian", "method": "laine19", "hole": 5, **settings})


def test_weights_tell_the_hole():
    told = [layers_of(each) for each in (blindspot_unet(1, 2), blindspot_unet(1, 2, hole=3), unet(1, 2))]
    assert len(set(told)) == 3
    for hole in (0, 2):
        with pytest.raises(ValueError, match=f"hole {hole}: has a pixel in its middle; wanted an odd number"):
            blindspot_unet(hole=hole)
