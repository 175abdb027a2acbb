"""Runs that start from weights, and the denoisers that come with the package."""

import shutil

import numpy as np
import pytest

import n2n_tf
from n2n_tf.config import UsageError
from n2n_tf.inference import load_denoiser, name_of
from n2n_tf.networks import NETWORKS
from n2n_tf.training import begin
from tests.runs import rows, small, trained

two_layers = pytest.mark.usefixtures("two_layers")


@two_layers
def test_a_run_starts_from_the_weights_of_another(photos, tmp_path):
    n2n_tf.train(small(photos), tmp_path / "one")
    start = load_denoiser(tmp_path / "one").get_weights()
    n2n_tf.train(small(photos, weights=str(tmp_path / "one"), learning_rate=1e-12), tmp_path / "two")
    for before, after in zip(start, trained(tmp_path / "two"), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-9)
    n2n_tf.train(small(photos, learning_rate=1e-12), tmp_path / "three")  # and without them from its own
    assert any(not np.allclose(a, b) for a, b in zip(start, trained(tmp_path / "three"), strict=True))


@two_layers
def test_the_best_denoiser_is_never_worse_than_the_start(photos, tmp_path):
    first = n2n_tf.train(small(photos), tmp_path / "one")
    second = n2n_tf.train(
        small(photos, weights=str(tmp_path / "one"), learning_rate=0.3, warmup_steps=0, noise_once=False),
        tmp_path / "two",
    )
    assert max(float(row["val_psnr"]) for row in rows(tmp_path / "two")) < first["scores"]["psnr"] - 0.5  # it got worse
    assert second["scores"]["psnr"] == pytest.approx(first["scores"]["psnr"], abs=1e-4)


@two_layers
def test_what_it_started_from_may_go(photos, tmp_path):
    n2n_tf.train(small(photos), tmp_path / "one")
    n2n_tf.train(small(photos, weights=str(tmp_path / "one")), tmp_path / "two")
    shutil.rmtree(tmp_path / "one")
    (tmp_path / "two" / "report.json").unlink()
    assert begin.resume(tmp_path / "two")["scores"]["psnr"] > 0


@two_layers
def test_weights_of_another_network(photos, tmp_path):
    n2n_tf.train(small(photos), tmp_path / "one")
    with pytest.raises(UsageError, match=r"`weights` .*one: of another network; wanted `network` two_layers with"):
        n2n_tf.train(small(photos, weights=str(tmp_path / "one"), features=8), tmp_path / "two")
    with pytest.raises(UsageError, match=r"nowhere: no such model; wanted a run directory"):
        n2n_tf.train(small(photos, weights="nowhere"), tmp_path / "two")
    assert not (tmp_path / "two").exists()


@two_layers
@pytest.mark.parametrize("seconds", [1e-6, 1e6])
def test_a_run_ends_when_its_time_is_up(photos, tmp_path, seconds):
    n2n_tf.train(small(photos, seconds=seconds, learning_rate_schedule="constant"), tmp_path / "run")
    assert len(rows(tmp_path / "run")) == (1 if seconds < 1 else 2)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_networks_are_told_by_their_layers(name):
    assert name_of(NETWORKS[name](1, features=16)) == (name, 16)
