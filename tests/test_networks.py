"""What all networks keep, and the two that the paper compares its U-Net with."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from n2n_tf.networks import NETWORKS, dncnn, rrg
from n2n_tf.networks.authors import from_authors


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("channels", [1, 4])
def test_any_even_size_goes_in_and_out_and_the_seed_tells_the_weights(name, channels):
    one, same, other = (NETWORKS[name](channels, 16, init="default", seed=seed) for seed in (1, 1, 2))
    image = np.random.default_rng(0).random((2, 64, 96, channels), np.float32)
    assert one(image).shape == image.shape
    assert all(np.array_equal(a, b) for a, b in zip(one.weights, same.weights, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one.trainable_weights, other.trainable_weights, strict=True))
    kernels = [np.ravel(weight) for weight in one.trainable_weights if len(weight.shape) == 4]
    assert not any(np.array_equal(a, b) for i, a in enumerate(kernels) for b in kernels[:i])


LOADS = """
    import sys
    sys.modules["n2n_tf"] = None  # importing it now fails
    import keras, numpy as np
    for name in sys.argv[1:]:
        network = keras.models.load_model(f"{name}.keras", safe_mode=True)
        np.save(f"{name}.npy", network(np.load("image.npy")))
"""


def test_the_files_load_where_n2n_tf_is_not_installed(tmp_path):
    networks = {name: NETWORKS[name](3, 8, init="default", seed=0) for name in sorted(NETWORKS)}
    image = np.random.default_rng(0).random((1, 32, 64, 3), np.float32)
    np.save(tmp_path / "image.npy", image)
    for name, network in networks.items():
        network.save(tmp_path / f"{name}.keras")
    subprocess.run([sys.executable, "-c", textwrap.dedent(LOADS), *networks], check=True, cwd=tmp_path)
    for name, network in networks.items():
        found = np.load(tmp_path / f"{name}.npy")
        np.testing.assert_allclose(found, network(image), rtol=0, atol=1e-6, err_msg=name)


@pytest.fixture
def rrg_state(authors_state):
    return authors_state("rrg_random.pth")


@pytest.mark.parametrize("prefix", ["", "module."])
def test_rrg_gives_the_authors_output(prefix, rrg_state, reference):
    network, case = (
        from_authors({prefix + name: value for name, value in rrg_state.items()}),
        np.load(reference / "rrg.npz"),
    )
    assert network.count_params() == 2_836_100
    output = np.asarray(network(case["input"].astype(np.float32)))
    assert np.abs(output - case["output"]).max() < 2e-6 * np.abs(case["output"]).max()


def test_rrg_weights_that_should_be_one_are_compared(rrg_state):
    rrg_state["body.2.body.3.body.1.weight"] = rrg_state["body.2.body.3.body.1.weight"] + 1
    with pytest.raises(ValueError, match=r"body\.2\.body\.3\.body\.1\.weight differs from the other weights"):
        from_authors(rrg_state)


def test_rrg_begins_near_its_input():
    """Its result is its input and a correction."""
    image = np.random.default_rng(0).random((1, 24, 30, 4), np.float32)
    assert np.abs(np.asarray(rrg(seed=0)(image)) - image).mean() < np.abs(image - image.mean()).mean()


def test_the_residual_u_net_is_the_papers_and_its_input():
    image = np.random.default_rng(0).random((1, 32, 64, 4), np.float32)
    plain, residual = (NETWORKS[name](4, 8, seed=0) for name in ("unet", "residual_unet"))
    np.testing.assert_allclose(residual(image), plain(image) + image, rtol=0, atol=1e-6)


def test_dncnn_is_that_of_its_paper():
    network = dncnn(3)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert [kinds.count(name) for name in ("Conv2D", "BatchNormalization", "ReLU", "Subtract")] == [17, 15, 16, 1]
    assert network.count_params() == 3 * 9 * 64 + 64 + 15 * (64 * 64 * 9 + 4 * 64) + 64 * 9 * 3 + 3
    last = network.get_layer("conv17")
    last.set_weights([np.zeros_like(weight) for weight in last.get_weights()])
    image = np.random.default_rng(0).random((1, 9, 7, 3), np.float32)
    np.testing.assert_array_equal(network(image), image)  # what it predicts is the noise
