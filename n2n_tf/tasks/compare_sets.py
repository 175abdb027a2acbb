"""What a comparison is scored on."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from n2n_tf.data.finding import listing
from n2n_tf.evaluation.paper import REPEATS
from n2n_tf.evaluation.protocol import TestSet
from n2n_tf.noise import Noise
from n2n_tf.tasks.evaluate import noise_sets, pair_sets, sidd_sets

logger = logging.getLogger(__name__)


def nowhere(where: str | Mapping[str, str]) -> str:
    """The first file or folder of an entry that is not there; empty if all are."""
    keys = ("noisy", "clean", "block_names")
    paths = [where] if isinstance(where, str) else [where[key] for key in keys if key in where]
    return next((path for path in paths if not Path(path).expanduser().exists()), "")


def test_sets(
    name: str, where: str | Mapping[str, str], noise: Noise | None, form: tuple[int, str], repeats: int | None
) -> list[TestSet]:
    """The test sets of one entry: clean images, pairs, or SIDD's blocks."""
    if isinstance(where, Mapping):
        sets, _ = sidd_sets(where["noisy"], where["clean"], where.get("block_names"), where.get("pattern"), *form)
        return [replace(each, group=name) for each in sets]
    if noise is None:
        found, skipped = pair_sets(str(Path(where, "noisy")), str(Path(where, "clean")), *form)
    else:
        found, skipped = noise_sets([where], noise, *form, repeats or REPEATS.get(name.lower()))
    if skipped:
        logger.warning("%d files were skipped:\n%s", len(skipped), listing(skipped))
    return [replace(each, name=name) for each in found]
