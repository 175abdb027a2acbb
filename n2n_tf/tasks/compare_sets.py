"""What a comparison is scored on."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from n2n_tf.evaluation.paper import REPEATS
from n2n_tf.evaluation.protocol import Paper, TestSet
from n2n_tf.formats.page import Page
from n2n_tf.noise import Noise
from n2n_tf.tasks.evaluate import noise_sets, pair_sets, sidd_sets


def nowhere(where: str | Mapping[str, str]) -> str:
    """The first file or folder of an entry that is not there; empty if all are."""
    keys = ("noisy", "clean", "block_names")
    paths = [where] if isinstance(where, str) else [where[key] for key in keys if key in where]
    return next((path for path in paths if not Path(path).expanduser().exists()), "")


def test_sets(
    name: str, where: str | Mapping[str, str], noise: Noise | None, form: tuple[int, str], repeats: int | None
) -> tuple[list[TestSet], dict[str, str]]:
    """The test sets of one entry, and the files that cannot be used: clean images, pairs, or SIDD's blocks.

    Raises:
        UsageError, RunError: none can be used, or the entry does not tell what it must.
    """
    if isinstance(where, Mapping):
        where = {key: os.path.expanduser(value) for key, value in where.items()}
        sets, _ = sidd_sets(where["noisy"], where["clean"], where.get("block_names"), where.get("pattern"), *form)
        return [replace(each, group=name) for each in sets], {}
    where = os.path.expanduser(where)
    if noise is None:
        found, skipped = pair_sets(str(Path(where, "noisy")), str(Path(where, "clean")), *form)
    else:
        found, skipped = noise_sets([where], noise, *form, repeats or REPEATS.get(name.lower()))
    return [replace(each, name=name) for each in found], skipped


def protocol_of(images: TestSet, noise: Noise | None) -> str:
    """The paper's where noise is added to 8 bits, as what no header tells is taken to have; others would be rounded."""
    types = {page.dtype for page in images.clean if isinstance(page, Page)}
    return "paper" if noise and types <= {"", *map(str, Paper.clean_types)} else "float"
