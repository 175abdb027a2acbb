"""What a program that is checked with mypy sees of the package."""

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import n2n_tf
from n2n_tf import inference

ROOT = Path(__file__).parents[1]
CONSUMER = """
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import n2n_tf
from n2n_tf.serving import Client, ServingError


def denoised(noisy: NDArray[np.float32], folder: Path) -> NDArray[np.float32]:
    network = n2n_tf.load_denoiser("blind")
    n2n_tf.denoise_files(network, folder, folder / "out", overwrite=True)
    told: list[tuple[str, ...]] = n2n_tf.evaluate(network, noisy=folder, clean=folder).table()
    denoiser = n2n_tf.Denoiser(network, memory=8, value_range=n2n_tf.ValueRange(0, 4095))
    print(told, denoiser.channels + 1, n2n_tf.__version__.upper())
    return denoiser(n2n_tf.denoise(network, noisy, ensemble=True))


def trained(data: str) -> str:
    config = n2n_tf.build_config({"data": [data], "noise": "none"})
    model = n2n_tf.Neighbor2Neighbor(n2n_tf.networks.unet(channels=1), gamma=n2n_tf.GammaRamp(2.0, 10, 100))
    return f"{config.flat} {model.gamma}"


def served(png: bytes) -> object:
    try:
        with Client("grpc://localhost:8500", timeout=5) as client:
            return client.denoise(png)
    except ServingError as error:
        return error.unavailable


n2n_tf.denoise(n2n_tf.networks.unet(), "noisy.png")  # type: ignore[arg-type]
n2n_tf.Denoiser(n2n_tf.networks.unet(), memory="8 GB")  # type: ignore[arg-type]
n2n_tf.denoised  # type: ignore[attr-defined]
Client("grpc://localhost:8500", timeout="5")  # type: ignore[arg-type]
"""


@pytest.mark.skipif(not importlib.util.find_spec("mypy"), reason="mypy, extra `dev`, checks a program")
def test_a_program_is_checked_strictly(tmp_path):
    """Where an ignored line were no error, mypy would call it unused."""
    (tmp_path / "consumer.py").write_text(CONSUMER)
    program = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, "consumer.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # where mypy looks for installed packages
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.parametrize("package", [n2n_tf, inference])
def test_names_that_are_imported_on_first_use_are_told_to_type_checkers(package):
    tree = ast.parse(Path(package.__file__).read_text())
    block = next(each for each in tree.body if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING")
    told = {alias.name: line.module for line in block.body for alias in line.names}
    assert set(told) == set(package._HOMES) == set(package.__all__) - {"__version__"}
    for name, module in told.items():
        home = package if name == "networks" else importlib.import_module(module)
        assert getattr(package, name) is getattr(home, name)
