import keras
import numpy as np
import pytest

from n2n_tf.networks import unet
from n2n_tf.networks.unet import INITS
from tests.seeded import seeded


@pytest.mark.parametrize("name", ["seeded", "random"])  # the first on a plain clone too
def test_equals_the_authors_network(name, request):
    if name == "seeded":
        network, case = seeded("unet")
    else:
        case = np.load(request.getfixturevalue("reference") / "unet.npz")
        network = request.getfixturevalue("authors_unet")("unet_random.pth")
    output = np.asarray(network(case["input"]))
    assert network.count_params() == 1_259_475
    assert np.abs(output - case["output"]).max() <= 1e-5 * np.abs(case["output"]).max()


@pytest.mark.parametrize(
    ("channels", "features", "shape"), [(1, 4, (2, 64, 32)), (4, 6, (1, 32, 96)), (3, 8, (1, 96, 64))]
)
def test_any_channels_width_and_size(channels, features, shape):
    network = unet(channels, features, seed=0)
    output = network(np.random.default_rng(0).random((*shape, channels), np.float32))
    assert output.shape == (*shape, channels)
    assert np.isfinite(output).all()


@pytest.mark.parametrize("init", INITS)
def test_initial_weights_have_the_stated_variance_and_follow_the_seed(init):
    network, again, other = (unet(init=init, seed=seed) for seed in (0, 0, 1))
    for layer, same, different in zip(network.layers, again.layers, other.layers, strict=True):
        if not layer.weights:
            continue
        kernel, bias = layer.get_weights()
        kind = "up" if layer.name.startswith("up") else "last" if layer.name == "nin_c" else "conv"
        fan_in = np.prod(kernel.shape[:3])
        variance = INITS[init][kind] / fan_in
        assert abs(kernel.var() - variance) < 5 * variance * np.sqrt(2 / kernel.size)
        assert not bias.any()
        np.testing.assert_array_equal(kernel, same.get_weights()[0])
        assert not np.array_equal(kernel, different.get_weights()[0])
    # no two kernels of one shape are equal, in one network or in networks of neighboring seeds
    kernels = [layer.get_weights()[0] for each in (network, other) for layer in each.layers if layer.weights]
    assert len({kernel.tobytes() for kernel in kernels}) == len(kernels) == 50


def test_authors_initialisation_equals_pytorchs(reference):
    torch = pytest.importorskip("torch", reason="PyTorch, extra `torch`, to compare with")
    weight = torch.nn.ConvTranspose2d(96, 96, 2, 2).weight
    torch.nn.init.kaiming_normal_(weight, a=0, mode="fan_in")
    expected = 0.1 * weight.detach().numpy().std()
    kernel = unet(init="authors", seed=0).get_layer("up3").get_weights()[0]
    assert abs(kernel.std() / expected - 1) < 5 / np.sqrt(kernel.size)


def test_unknown_initialisation():
    with pytest.raises(ValueError, match="wanted one of"):
        unet(init="zeros")


def test_only_the_last_layer_stays_float32_under_mixed_precision():
    with_policy = keras.mixed_precision.global_policy()
    try:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
        network = unet(3, 4)
    finally:
        keras.mixed_precision.set_global_policy(with_policy)
    computing = {layer.compute_dtype for layer in network.layers if layer.weights and layer.name != "nin_c"}
    assert computing == {"bfloat16"}
    assert network.get_layer("nin_c").compute_dtype == network.output.dtype == "float32"
