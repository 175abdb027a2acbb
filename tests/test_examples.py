"""The examples in docstrings give what they say."""

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

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
