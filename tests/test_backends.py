"""denoiser.keras on Keras's other backends, in a process that knows neither TensorFlow nor n2n_tf."""

import importlib
import importlib.util
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass

import keras
import numpy as np
import pytest

import n2n_tf
from n2n_tf.compat import KERAS_2
from n2n_tf.inference import in_range, save_denoiser
from n2n_tf.methods import Laine19, Noisier2Noise
from n2n_tf.methods.posterior import with_posterior
from n2n_tf.networks import NETWORKS
from n2n_tf.value_range import ValueRange

pytestmark = pytest.mark.skipif(KERAS_2, reason="Keras 2 has one backend")
CLOSE = 1e-5  # largest difference, of the value range; the largest found is in docs/keras-backends.md
CELLS, ODD = (32, 96), (45, 38)  # sides: of networks that pool five times, and of those that take any


@dataclass
class Case:
    """A denoiser, an image of what it was made for, and the span of its values."""

    network: keras.Model
    sides: tuple[int, int] = CELLS
    span: float = 1.0


def plain(name, channels=3, **settings):
    """A network whose results are not nearly constant, around the middle of the range."""
    network = NETWORKS[name](channels, features=8, seed=0, **settings)
    random = np.random.default_rng(0)
    for weight in network.weights:
        if weight.path.endswith(("gamma", "moving_variance")):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif weight.path.endswith(("bias", "beta", "moving_mean")):
            weight.assign(random.normal(0, 0.1, weight.shape))
    if isinstance(network.layers[-1], keras.layers.Conv2D):  # it does not add its result to the image
        network.layers[-1].bias.assign(np.full(channels, 0.5))
    return network


def posterior(noise, level, channels=3):
    network = with_posterior(plain("blindspot_unet", channels), noise, level)
    if level == "image":  # as much noise as makes the prediction count
        network.get_layer("posterior_value").bias.assign([3.0])
    return Laine19(network).denoiser()


CASES = {
    "residual_unet": lambda: Case(n2n_tf.load_denoiser("blind_gray")),
    "rrg": lambda: Case(plain("rrg", 4), ODD),
    "dncnn": lambda: Case(plain("dncnn"), ODD),
    "dbsnl": lambda: Case(plain("dbsnl", 1, modules=2), ODD),
    "blindspot_unet": lambda: Case(plain("blindspot_unet", 1)),
    "noisier2noise of a unet": lambda: Case(Noisier2Noise(plain("unet", 1), 0.1).denoiser()),
    "known_level": lambda: Case(posterior("gaussian", 0.1)),
    "level_of_the_image": lambda: Case(posterior("poisson", "image", 1)),
    "value_range": lambda: Case(in_range(plain("residual_unet", 1), ValueRange(96, 4095)), span=3999),
}

ELSEWHERE = """
    import keras, numpy as np, pathlib, sys
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.keras")):
        network = keras.models.load_model(path)                          # no custom objects, safe_mode on
        denoised = network(np.load(path.with_suffix(".npy")), training=False)
        np.save(pathlib.Path(sys.argv[2]) / f"{path.stem}.npy", keras.ops.convert_to_numpy(denoised))
    print(keras.backend.backend(), "n2n_tf" in sys.modules, "tensorflow" in sys.modules)
"""


@pytest.fixture(scope="module")
def denoisers(tmp_path_factory):
    """The folder with all files and their images; by name, the span, the image, and what TensorFlow makes of it."""
    folder, results = tmp_path_factory.mktemp("denoisers"), {}
    with pytest.MonkeyPatch.context() as patch:
        for constant in ("GROUPS", "BLOCKS"):  # of 4 and 8 alike ones
            patch.setattr(importlib.import_module("n2n_tf.networks.rrg"), constant, 1)
        for name, make in CASES.items():
            case = make()
            save_denoiser(case.network, folder / f"{name}.keras")
            shape = (1, *case.sides, case.network.input_shape[-1])
            image = np.float32(np.random.default_rng(0).random(shape) * case.span)
            np.save(folder / f"{name}.npy", image)
            results[name] = case.span, image, np.asarray(case.network(image, training=False))
    return folder, results


@pytest.fixture(scope="module", params=["torch", "jax"])
def elsewhere(request, denoisers, tmp_path_factory):
    """What another backend makes of all of them."""
    if not importlib.util.find_spec(request.param):
        pytest.skip(f"{request.param} is not installed" + (": 380 MB" if request.param == "jax" else ", extra `torch`"))
    folder, output = denoisers[0], tmp_path_factory.mktemp(request.param)
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ELSEWHERE), str(folder), str(output)], cwd=output, text=True,
        env={**os.environ, "KERAS_BACKEND": request.param}, capture_output=True,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert told.stdout.split() == [request.param, "False", "False"]
    return output


@pytest.mark.parametrize("name", CASES)
def test_another_backend_gives_what_tensorflow_gives(name, denoisers, elsewhere):
    span, image, expected = denoisers[1][name]
    assert min(expected.std(), (expected - image).std()) > 0.005 * span  # else any file would do
    found = np.load(elsewhere / f"{name}.npy")
    difference = np.abs(found - expected).max() / span
    print(f"largest difference {difference:.1e}")
    assert difference < CLOSE


def test_saving_leaves_the_network_as_it_was(tmp_path):
    """Means over replicas are for training, which may go on."""
    network = plain("dncnn")
    save_denoiser(network, tmp_path / "x.keras")
    assert network.get_layer("norm2").synchronized
    assert not keras.models.load_model(tmp_path / "x.keras").get_layer("norm2").synchronized
