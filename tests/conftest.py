import gc
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
from PIL import Image

# Files that take longest: begun last, one process would wait for the other.
FIRST = (
    "workers", "tutorials", "crew", "server", "export", "neighbor2neighbor", "staying_up", "value_range", "run",
    "networks", "ending",
)  # fmt: skip
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; xdist gives them out in this order, see the Makefile."""
    places = {f"test_{name}.py": place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(FIRST)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was made while TensorFlow and the tests were read stays: the garbage collector need not walk it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _logging_as_a_library():
    """Undo what the command line sets up: its messages would miss pytest's capture in later tests."""
    yield
    logger = logging.getLogger("n2n_tf")
    logger.handlers, logger.propagate = [], True


@pytest.fixture(scope="module")
def two_layers() -> Iterator[None]:
    """Runs can train `network` two_layers, which `SMALL` names, and one with a blind spot."""
    from n2n_tf.networks import NETWORKS
    from tests.runs import two_layers, two_layers_blind

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "two_layers", two_layers)
        patch.setitem(NETWORKS, "two_layers_blind", two_layers_blind)
        yield


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Debian's chromium; `downloads` is where its files go."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium and chromedriver on PATH")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--window-size=900,700", "--allow-file-access-from-files"):
        options.add_argument(flag)
    downloads = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.set_script_timeout(20)
    browser.downloads = downloads
    yield browser
    browser.quit()


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


def far(channels: int) -> keras.Model:
    """A denoiser of few layers with the U-Net's cell and reach: 32 and 128 pixels, the farthest as weighty as any."""
    random = np.random.default_rng(channels)
    image = keras.Input((None, None, channels))
    x = keras.layers.Conv2D(4, 7, padding="same", activation="relu")(keras.layers.MaxPooling2D(32)(image))
    x = keras.layers.Conv2DTranspose(4, 32, strides=32)(x)
    x = keras.layers.Concatenate()([image, x])
    network = keras.Model(image, keras.layers.Conv2D(channels, 3, padding="same", name="last")(x))
    for weight in (weight for weight in network.weights if len(weight.shape) == 4):  # no two alike
        inputs = np.prod(weight.shape[:3]) if weight.shape[0] < 32 else weight.shape[3]
        kernel = random.normal(0, 1 / np.sqrt(inputs), weight.shape)
        weight.assign(kernel - kernel.mean((0, 1)))  # what is constant leaves no trace: results are about the bias
    network.get_layer("last").bias.assign(np.full(channels, 0.5))
    return network


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> tuple[keras.Model, Path]:
    """A network whose far pixels matter, and the folder with its export, n2n/1."""
    from n2n_tf.exporting import export

    folder, network = tmp_path_factory.mktemp("served"), far(3)
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
