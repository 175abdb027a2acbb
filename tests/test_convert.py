import builtins

import keras
import numpy as np
import pytest

from n2n_tf.cli.main import main
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
