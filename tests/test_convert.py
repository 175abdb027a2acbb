import builtins

import h5py
import keras
import numpy as np
import pytest

from n2n_tf.cli.main import main
from n2n_tf.inference import layers_of, load_denoiser, save_denoiser
from n2n_tf.networks import NETWORKS, unet
from n2n_tf.networks.authors import from_authors


@pytest.fixture
def state(authors_state):
    return authors_state("unet_random.pth")


@pytest.mark.parametrize("prefix", ["", "module."])
def test_converted_weights_give_the_authors_output(state, reference, prefix):
    case = np.load(reference / "unet.npz")
    network = from_authors({prefix + name: value for name, value in state.items()})
    output = np.asarray(network(case["input"].astype(np.float32)))
    assert np.abs(output - case["output"]).max() < 3e-6 * np.abs(case["output"]).max()


def test_what_does_not_fit_is_listed(state):
    state["extra.weight"] = np.zeros(3)
    state["dec_conv1a.weight"] = state["dec_conv1a.weight"][:, :-1]
    del state["up3.deconv.bias"]
    with pytest.raises(ValueError, match="does not fit") as caught:
        from_authors(state)
    assert str(caught.value).splitlines()[1:] == [
        "  up3.deconv.bias: missing",
        "  extra.weight: unknown, shape (3,)",
        "  dec_conv1a.weight: shape (96, 98, 3, 3), wanted (96, 99, 3, 3)",
    ]


@pytest.mark.parametrize("state", [{}, {"conv.weight": np.zeros((3, 3))}, {"enc_conv0.weight": np.zeros(3)}])
def test_weights_of_another_network(state):
    with pytest.raises(ValueError, match=r"has no enc_conv0.weight or .* of 4 axes; it has (nothing|conv|enc_conv0)"):
        from_authors(state)


def test_the_command_writes_a_file_that_plain_keras_loads(reference, state, tmp_path, capsys):
    target = tmp_path / "new" / "x.keras"
    arguments = ["convert", str(reference / "unet_random.pth"), "--output", str(target)]
    assert main(arguments) == 0
    assert "1,259,475 parameters, 3 channels" in capsys.readouterr().out
    case = np.load(reference / "unet.npz")
    output = np.asarray(keras.models.load_model(target)(case["input"].astype(np.float32)))
    assert np.abs(output - case["output"]).max() < 3e-6 * np.abs(case["output"]).max()
    before = target.read_bytes()
    assert main(arguments) == 2
    assert "exists; --overwrite replaces it" in capsys.readouterr().err
    assert target.read_bytes() == before
    assert main([*arguments, "--overwrite"]) == 0


class Harmful:
    """Unpickled, it would run a command."""

    def __reduce__(self):
        return print, ("harm done",)


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (None, 2, "no such file"),
        (b"", 2, "not a file of PyTorch weights"),
        ({1: 2}, 2, "holds dict; wanted a state dict"),
        (b"text", 2, "not a file of PyTorch weights"),
        (Harmful(), 2, "not a file of PyTorch weights"),
        ([1, 2], 2, "holds list; wanted a state dict"),
        ({"epoch": 3}, 2, "holds dict; wanted a state dict"),
    ],
    ids=["missing", "empty", "integer keys", "text", "harmful", "list", "checkpoint"],
)
def test_files_that_are_no_state_dict(content, status, message, tmp_path, capsys):
    torch = pytest.importorskip("torch", reason="PyTorch, extra `torch`, reads the authors' weights")
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    assert main(["convert", str(path), "--output", str(tmp_path / "x.keras")]) == status
    printed = capsys.readouterr()
    assert message in printed.err
    assert "harm done" not in printed.out
    assert not (tmp_path / "x.keras").exists()


def test_without_pytorch_the_extra_is_named(tmp_path, capsys, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    (tmp_path / "w.pth").write_bytes(b"x")
    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["convert", str(tmp_path / "w.pth"), "--output", str(tmp_path / "x.keras")]) == 1
    assert "pip install n2n-tf[torch]" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "w.pth"), "--output", str(tmp_path / "x.h5")]) == 2


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_become_a_denoiser_again(name, tmp_path):
    network = NETWORKS[name](1, features=16, seed=0)
    save_denoiser(network, tmp_path / "x.keras")
    target = tmp_path / "new" / "y.keras"
    assert main(["convert", str(tmp_path / "x.weights.h5"), "--output", str(target)]) == 0
    image = np.random.default_rng(0).random((1, 32, 64, 1), np.float32)
    # Keras 2 normalizes batches by another kernel once a network was in a file
    np.testing.assert_allclose(load_denoiser(target)(image), network(image), rtol=0, atol=1e-5)
    assert target.with_suffix(".weights.h5").exists()


def test_weights_that_do_not_tell_their_network(tmp_path, capsys):
    network = unet(3, 4, seed=0, residual=True)
    network.save_weights(tmp_path / "x.weights.h5")
    command = ["convert", str(tmp_path / "x.weights.h5"), "--output", str(tmp_path / "y.keras")]
    assert main(command) == 2
    assert "does not tell its network; say --network residual_unet, unet, dncnn" in capsys.readouterr().err
    assert main([*command, "--network", "resnet"]) == 2
    assert "--network: 'resnet' is not known; wanted one of blindspot_unet, dbsnl, dncnn" in capsys.readouterr().err
    assert main([*command, "--network", "dncnn"]) == 2
    assert "x.weights.h5: does not fit dncnn" in capsys.readouterr().err
    assert not (tmp_path / "y.keras").exists()
    assert main([*command, "--network", "residual_unet"]) == 0
    assert load_denoiser(tmp_path / "y.keras").name == "residual_unet"
    assert main(command) == 2
    assert "y.keras exists; --overwrite replaces it" in capsys.readouterr().err


def test_weights_of_ones_own_network(tmp_path, capsys):
    """One of equal weights too: it may differ in what has none."""
    image = keras.Input((None, None, 3))
    own = {
        "conv": keras.Model(image, keras.layers.Conv2D(3, 3, padding="same")(image)),
        "nested": keras.Model(image, unet(3, 2)(image), name="unet"),
        "sum": keras.Model(image, keras.layers.Add()([image, unet(3, 4)(image)])),
        "like": like_unet(),
    }
    for name, network in own.items():
        save_denoiser(network, tmp_path / f"{name}.keras")
        command = ["convert", str(tmp_path / f"{name}.weights.h5"), "--output", str(tmp_path / f"{name} 2.keras")]
        assert main(command) == 2, name
        assert "holds none of our networks; say --network residual_unet" in capsys.readouterr().err


def like_unet():
    """As a residual U-Net was once named."""
    network = unet(3, 4, residual=True)
    return keras.Model(network.inputs, keras.layers.Identity(name="else")(network.outputs[0]), name="unet")


def test_weights_beside_the_file_to_write_are_left_alone(tmp_path, capsys):
    network = unet(3, 4, seed=0, residual=True)
    save_denoiser(network, tmp_path / "x.keras")
    (tmp_path / "x.keras").unlink()
    before = (tmp_path / "x.weights.h5").read_bytes()
    command = ["convert", str(tmp_path / "x.weights.h5"), "--output", str(tmp_path / "x.keras")]
    assert main(command) == 0
    assert (tmp_path / "x.weights.h5").read_bytes() == before
    image = np.random.default_rng(0).random((1, 32, 64, 3), np.float32)
    np.testing.assert_array_equal(load_denoiser(tmp_path / "x.keras")(image), network(image))
    assert main(command) == 2
    assert "x.keras exists; --overwrite replaces it" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "x.keras"), "--output", str(tmp_path / "y.keras")]) == 2
    assert "wanted a .pth file, or the .weights.h5 file beside a .keras file" in capsys.readouterr().err


def empty(path):
    path.write_bytes(b"")


def cut(path):
    unet(1, 2).save_weights(path)
    path.write_bytes(path.read_bytes()[:3000])


def dense(path):
    image = keras.Input((4,))
    keras.Model(image, keras.layers.Dense(1)(image)).save_weights(path)


def wide(path):
    """Of which a network of terabytes would be made."""
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/conv2d/vars/0", (3, 3, 1, 10**6), "f4", chunks=(3, 3, 1, 1000))
        file.attrs["layers"] = layers_of(unet(1, 4))


def no_channels(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/conv2d/vars/0", (3, 3, 0, 4), "f4")
        file.attrs["layers"] = np.zeros(3)


def large(path):
    """2 TB, of which nothing is written."""
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/conv2d/vars/0", (3, 3, 1, 48), "f4")
        file.create_dataset("layers/conv2d/vars/1", (2**39,), "f4", chunks=(1024,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (empty, "not a .weights.h5 file"),
        (cut, "not a .weights.h5 file"),
        (dense, "holds none of our networks"),
        (wide, "holds none of our networks"),
        (no_channels, "holds none of our networks"),
        (large, "unpacks to 2199.0 GB; at most 2.1 are read"),
    ],
)
@pytest.mark.parametrize("network", [[], ["--network", "unet"]])
def test_files_that_are_no_weights(make, message, network, tmp_path, capsys):
    make(tmp_path / "x.weights.h5")
    command = ["convert", str(tmp_path / "x.weights.h5"), "--output", str(tmp_path / "y.keras"), *network]
    assert main(command) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "y.keras").exists()
