import logging
import os
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from PIL import Image

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def _logging_as_a_library():
    """Undo what the command line sets up: its messages would miss pytest's capture in later tests."""
    yield
    logger = logging.getLogger("n2n_tf")
    logger.handlers, logger.propagate = [], True


@pytest.fixture(scope="session")
def reference() -> Path:
    """Values computed with the authors' PyTorch code."""
    folder = SHARED / "reference"
    if not folder.is_dir():
        pytest.skip("the authors' reference values are not beside this checkout (../shared/reference)")
    return folder


@pytest.fixture(scope="session")
def authors_state(reference) -> Callable[[str], dict[str, np.ndarray]]:
    """The weights in a file of the authors' code."""
    torch = pytest.importorskip("torch", reason="PyTorch, extra `torch`, reads the authors' weights")

    def state(name: str) -> dict[str, np.ndarray]:
        weights = torch.load(reference / name, weights_only=True)
        return {name: value.numpy() for name, value in weights.items()}

    return state


@pytest.fixture(scope="session")
def authors_unet(authors_state) -> Callable[[str], keras.Model]:
    """The U-Net with weights of a file of the authors' code."""
    from n2n_tf.networks.authors import from_authors

    return lambda name: from_authors(authors_state(name))


def identity(channels: int) -> keras.Model:
    """A denoiser that gives back what it gets."""
    image = keras.Input((None, None, channels))
    return keras.Model(image, keras.layers.Activation("linear")(image))


def negative(channels: int) -> keras.Model:
    """A denoiser whose result is 1 - image."""
    image = keras.Input((None, None, channels))
    return keras.Model(image, keras.layers.Rescaling(-1.0, 1.0)(image))


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> tuple[keras.Model, Path]:
    """A small network of lively weights, and the folder with its export, n2n/1."""
    from n2n_tf.exporting import export
    from n2n_tf.networks import unet

    folder, random = tmp_path_factory.mktemp("served"), np.random.default_rng(0)
    network = unet(3, 4, seed=0)
    network.get_layer("nin_c").kernel.assign(random.normal(0, 0.3, (1, 1, 8, 3)))
    network.get_layer("nin_c").bias.assign(np.full(3, 0.4))
    network.save(folder / "x.keras")
    export(folder / "x.keras", folder / "n2n", 10**6)
    return network, folder


@pytest.fixture
def models(tmp_path) -> Callable[[str], str]:
    """Path of a .keras file, by name: identity or negative, and the number of channels."""

    def path(name: str) -> str:
        kind, channels = name.split()
        file = tmp_path / f"{kind}{channels}.keras"
        {"identity": identity, "negative": negative}[kind](int(channels)).save(file)
        return str(file)

    return path


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder with 12 smooth RGB images of different sizes and formats."""
    return make_photos(tmp_path / "photos")


def make_photos(folder: Path) -> Path:
    folder.mkdir()
    for number in range(12):
        height, width = 70 + number, 90 - number
        rows, columns = np.mgrid[:height, :width]
        waves = [np.sin(rows / (7 + number) + phase) * np.cos(columns / (9 + number)) for phase in range(3)]
        image = np.uint8(127.5 + 100 * np.stack(waves, -1))
        Image.fromarray(image).save(folder / f"{number:02d}.{'png' if number % 2 else 'jpg'}")
    return folder
