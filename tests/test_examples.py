"""The examples in docstrings give what they say, and the programs in examples/ denoise."""

import doctest
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import n2n_tf

PACKAGE = Path(__file__).parents[1] / "n2n_tf"
WITH_EXAMPLES = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]


def name_of(path):
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=name_of)
def test_examples(path):
    module = importlib.import_module(name_of(path))
    assert any(each.examples for each in doctest.DocTestFinder().find(module))
    assert not doctest.testmod(module, extraglobs={"np": np}).failed


def test_what_is_shown_by_example():
    shown = {"evaluation.metrics", "inference.denoiser", "sampling", "serving.client", "value_range", "weights.shipped"}
    assert {f"n2n_tf.{name}" for name in shown} <= {name_of(path) for path in WITH_EXAMPLES}


def test_a_wrong_example_fails():
    examples = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3", {}, "wrong", None, None)
    assert doctest.DocTestRunner(verbose=False).run(examples, out=lambda text: None).failed == 1


@pytest.mark.parametrize(
    ("program", "package"),
    [("beam_denoise", "apache_beam"), ("ray_denoise", "ray"), ("spark_denoise", "pyspark")],
)
def test_programs(program, package, tmp_path):
    """Each denoises images of several sizes as n2n_tf itself does."""
    if not importlib.util.find_spec(package):
        pytest.skip(f"{package} is not installed; CI leaves it out, see docs/clusters.md")
    random = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    noisy = {
        f"{h}.png": random.normal(128, 25, (h, w, 3)).clip(0, 255).astype(np.uint8) for h, w in ((40, 56), (33, 64))
    }
    for name, image in noisy.items():
        Image.fromarray(image).save(tmp_path / "in" / name)
    images = tmp_path / "in" / "*.png" if program.startswith("beam") else tmp_path / "in"
    done = subprocess.run(
        [sys.executable, PACKAGE.parent / "examples" / f"{program}.py", images, tmp_path / "out"],
        capture_output=True, text=True, timeout=600,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), "PYSPARK_PYTHON": sys.executable},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path / "out")) == sorted(noisy)
    denoiser = n2n_tf.Denoiser(n2n_tf.load_denoiser("blind"))
    for name, image in noisy.items():
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / name)), denoiser(image))
