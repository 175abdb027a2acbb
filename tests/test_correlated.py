"""Noise that neighbours share: the distance that is chosen, and the two stages of a run."""

import json
import logging

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import n2n_tf
from n2n_tf.config import UsageError
from n2n_tf.meter import METERS
from n2n_tf.meter.correlation import distance_of, independent_at
from n2n_tf.methods import Renoised
from n2n_tf.noise.measured import MeasuredNoise
from n2n_tf.sampling import Neighbors, put_together, taken_apart
from n2n_tf.training import stages
from n2n_tf.training.run import Run
from n2n_tf.training.rundir import RunDirectory
from tests.runs import assert_same_state, rows, small, trained
from tests.scenes import BLUR, RHO, blurred, gaussian, scene

pytestmark = pytest.mark.usefixtures("two_layers")
RNG = np.random.default_rng(0)


def save(folder, noise, count=4, channels=3):
    folder.mkdir(parents=True)
    for number in range(count):
        image = noise(0.1 + 0.7 * np.roll(scene(channels), 40 * number, 1), 20, number)
        pixels = np.round(image * 255).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return save(tmp_path_factory.mktemp("shared") / "noisy", blurred)


@pytest.fixture(scope="module")
def run(shared, tmp_path_factory):
    """A finished run."""
    out = tmp_path_factory.mktemp("run") / "run"
    with pytest.MonkeyPatch.context() as patch:
        from n2n_tf import networks
        from tests.runs import two_layers

        patch.setitem(networks.NETWORKS, "two_layers", two_layers)
        return out, n2n_tf.train(noisy(shared), out)


def noisy(folder, **settings):
    return small(folder, **{"noise": "none", "patch_size": 128, **settings})


@pytest.mark.parametrize(
    ("places", "wanted"),
    [
        ([], (1, 1)),
        ([(0, 1)], (1, 2)),
        ([(1, 0), (2, 0)], (3, 1)),
        ([(0, 1), (1, 0)], (2, 2)),
        ([(0, 1), (1, 0), (2, 2)], (2, 3)),  # both together
        ([(0, 1), (1, 0), (2, -2)], (2, 3)),
        ([(0, 1), (0, 4)], (1, 3)),  # 4 is a multiple of 2
        ([(0, right) for right in range(1, 6)], None),
        ([(0, 7)], (1, 2)),
    ],
)
def test_the_nearest_distance_without_anything_in_common(places, wanted):
    shared = np.zeros((9, 17), bool)
    for down, right in places:
        shared[down, 8 + right] = True
    assert distance_of(shared) == wanted
    assert wanted is None or independent_at(wanted, shared)


@pytest.mark.parametrize(("axes", "wanted"), [((0, 1), (2, 2)), ((1,), (1, 2)), ((0,), (2, 1))])
def test_the_distance_follows_the_axes_of_the_noise(axes, wanted):
    assert RHO[1] > 0.1 > RHO[2]
    found = METERS["correlation"]([blurred(scene(), 20, seed, axes) for seed in range(2)])
    assert distance_of(found.shared) == wanted


def test_one_channel_that_reaches_farther_counts():
    wide = np.convolve([1, 1, 1], [1, 1, 1]) / np.linalg.norm(np.convolve([1, 1, 1], [1, 1, 1]))
    noise = np.random.default_rng(0).normal(size=(2, 320, 384, 3)) * 20 / 255
    law = np.correlate(wide, wide, "full")[4:]
    blue = np.apply_along_axis(lambda row: np.convolve(row, wide, "same"), 2, noise[..., 2])
    noise[..., 2] = blue
    found = METERS["correlation"]((scene() + noise).astype(np.float32))
    assert distance_of(found.shared) == (1, int(np.flatnonzero(law > 0.1).max()) + 1)
    np.testing.assert_allclose(found.each[2, 0, 8:12], law[:4], atol=0.05)
    np.testing.assert_allclose(found.each[0, 0, 9:12], 0, atol=0.05)


def test_levels_follow_brightness():
    clean = scene()
    noise = np.random.default_rng(0).normal(size=(4, *clean.shape)) * (5 + 20 * clean) / 255
    found = METERS["correlation"]((clean + noise).astype(np.float32))
    at = (np.arange(16) + 0.5) / 16
    inside = (at > 0.2) & (at < 0.6)
    np.testing.assert_allclose(255 * np.sqrt(found.levels[0, inside]), (5 + 20 * at)[inside], rtol=0.1)


def test_taken_apart_as_the_authors_of_ap_bsn_do(reference):
    case = np.load(reference / "pixel_shuffle.npz")
    for factor in (2, 5):
        parts = taken_apart(tf.constant(case["input"]), (factor, factor)).numpy()
        rows, columns = parts.shape[1:3]
        tiles = case[f"down{factor}"].reshape(2, factor, rows, factor, columns, 3).transpose(0, 1, 3, 2, 4, 5)
        np.testing.assert_array_equal(parts, tiles.reshape(parts.shape))


@pytest.mark.parametrize("distance", [(2, 2), (1, 3), (3, 2)])
def test_neighbors_at_a_distance_of_each_axis(distance):
    image = np.stack(np.mgrid[:12, :24], -1)[None].repeat(2, 0).astype(np.float32)
    sampler = Neighbors(distance=distance)
    assert 12 % sampler.divides == 0
    one, two = (each.numpy() for each in sampler(tf.constant(image), sampler.draw(image.shape, [1, 2])))
    steps = {tuple(step) for step in np.abs(two - one).reshape(-1, 2)}
    assert steps == {(distance[0], 0), (0, distance[1])}
    parts = taken_apart(tf.constant(image), distance)
    np.testing.assert_array_equal(put_together(parts, distance), image)
    assert Neighbors.from_config(json.loads(json.dumps(sampler.get_config()))) == sampler


def test_measured_noise_is_as_it_was_measured():
    """Drawn, and measured by NumPy: σ by brightness, ρ along both axes, ρ between channels."""
    law = np.zeros((2, 9, 17))
    law[:, 0, 8] = 1
    law[0, 0, [7, 9]] = law[0, 1, 8] = RHO[1]
    law[0, 1, [7, 9]] = RHO[1] ** 2
    levels = np.tile((np.linspace(5, 20, 16) / 255) ** 2, (2, 1))
    noise = MeasuredNoise(levels, law, np.array([[1, 0.4], [0.4, 1]]))
    clean = np.broadcast_to(np.linspace(0, 1, 384)[None, None, :, None], (8, 256, 384, 2)).astype(np.float32)
    drawn = (noise(clean, [1, 2]) - clean).numpy()
    middles = (np.arange(16) + 0.5) / 16
    sigma = np.interp(clean[0, 0, :, 0], middles, np.sqrt(levels[0]))
    np.testing.assert_allclose(drawn.std((0, 1, 3)), sigma, rtol=0.12)
    unit = drawn / sigma[:, None]
    for axis in (1, 2):
        near, far = np.take(unit, range(200), axis), np.take(unit, range(1, 201), axis)
        np.testing.assert_allclose((near * far).mean((0, 1, 2)), [RHO[1], 0], atol=0.02)
    assert (unit[..., 0] * unit[..., 1]).mean() == pytest.approx(0.4, abs=0.02)
    again = MeasuredNoise.from_config(json.loads(json.dumps(noise.get_config())))
    np.testing.assert_array_equal(again(clean, [1, 2]), noise(clean, [1, 2]))


def test_renoised_by_hand():
    """f(y) = 0.5·y, the teacher 0.8·y: without noise, and with some of known variance."""
    image = RNG.random((2, 64, 64, 1)).astype(np.float32)
    scale = [keras.layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer=keras.initializers.Constant(each))
             for each in (0.5, 0.8)]  # fmt: skip
    networks = []
    for layer in scale:
        given = keras.Input((None, None, 1))
        networks.append(keras.Model(given, layer(given)))
    alone = Renoised(*networks)
    alone.compile(optimizer="sgd")
    loss = float(alone.losses(tf.constant(image), None)[0]["loss"])
    assert loss == pytest.approx(np.mean((0.5 * image - 0.8 * image) ** 2), rel=1e-5)
    law = np.zeros((1, 9, 17))
    law[0, 0, 8] = 1
    louder = Renoised(*networks, MeasuredNoise(np.full((1, 16), 0.04), law, np.eye(1)))
    louder.compile(optimizer="sgd")
    loss = float(louder.losses(tf.constant(image), None)[0]["loss"])
    assert loss == pytest.approx(np.mean((0.4 * image - 0.8 * image) ** 2) + 0.25 * 0.04, rel=0.05)


def test_a_run_finds_out_and_does_it(shared, run, caplog):
    out, report = run
    assert json.loads((out / "config.json").read_text())["chosen"] == {"correlated": [2, 2], "patch_size": 128}
    assert json.loads((out / "teacher" / "config.json").read_text())["config"]["distance"] == [2, 2]
    assert json.loads((out / "config.json").read_text())["config"]["correlated"] == ["auto"]
    assert len(rows(out / "teacher")) + len(rows(out)) == 2  # epochs, shared
    assert "reconstruction" in report["scores"]
    names = [layer.name for layer in keras.models.load_model(out / "denoiser.keras").layers]
    assert {"first", "last"} <= set(names)
    with caplog.at_level(logging.INFO):
        assert n2n_tf.resume(out)["scores"] == report["scores"]


def test_noise_is_known_to_the_second_stage(run):
    out, _ = run
    noise = RunDirectory(out).noise(3)
    rho = np.array(noise.get_config()["rho"])
    np.testing.assert_allclose(rho[:, 0, 9], RHO[1], atol=0.05)
    assert np.sqrt(np.mean(noise.get_config()["levels"])) * 255 == pytest.approx(20, rel=0.1)
    assert np.correlate(BLUR, BLUR, "full")[3] == pytest.approx(RHO[1])


@pytest.mark.parametrize("stage", [0, 1])
def test_an_interrupted_run_goes_on(stage, shared, run, tmp_path):
    count, end = [], Run._report

    def stopped(self, seconds):
        count.append(seconds)
        if len(count) == stage + 1:
            raise KeyboardInterrupt
        return end(self, seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "_report", stopped)
        with pytest.raises(KeyboardInterrupt):
            n2n_tf.train(noisy(shared), tmp_path / "run")
    n2n_tf.resume(tmp_path / "run")
    assert_same_state(run[0], tmp_path / "run")
    assert_same_state(run[0] / "teacher", tmp_path / "run" / "teacher")


def test_white_noise_costs_nothing(tmp_path):
    folder = save(tmp_path / "white", gaussian)
    for way in ("auto", "off"):
        n2n_tf.train(noisy(folder, correlated=way, epochs=1), tmp_path / way)
        assert not (tmp_path / way / "teacher").exists()
    for one, other in zip(trained(tmp_path / "auto"), trained(tmp_path / "off"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_of_a_mixed_set_the_shared_noise_counts(tmp_path, caplog):
    folder = save(
        tmp_path / "mixed", lambda image, sigma, seed: (gaussian if seed % 2 else blurred)(image, sigma, seed)
    )
    with caplog.at_level(logging.INFO):
        n2n_tf.train(noisy(folder, epochs=1), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["chosen"]["correlated"] == [2, 2]
    assert "those 2 apart, which are compared, do not" in caplog.text


def test_gray_and_along_one_axis(tmp_path):
    folder = save(tmp_path / "gray", lambda image, sigma, seed: blurred(image, sigma, seed, (1,)), channels=1)
    n2n_tf.train(noisy(folder, channels=1, epochs=1, patch_size=64), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["chosen"] == {
        "correlated": [1, 2], "patch_size": 128,
    }  # fmt: skip


def test_too_small_for_the_distance_is_said(tmp_path, caplog):
    folder = tmp_path / "small"
    save(folder, blurred)
    for path in folder.iterdir():
        Image.open(path).crop((0, 100, 112, 212)).save(path)
    with caplog.at_level(logging.INFO):
        n2n_tf.train(noisy(folder, epochs=1, patch_size=64), tmp_path / "run")
    assert "wants images of 128×128 pixels" in caplog.text
    assert not (tmp_path / "run" / "teacher").exists()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"correlated": 2, "noise": "gaussian"}, "`correlated` with `noise` gaussian: is for images that are noisy"),
        ({"correlated": 2, "distance": 2}, "`correlated` 2 with `distance`: say one of them"),
        ({"correlated": 2, "sampler": "fixed"}, "`sampler` fixed with `correlated` 2 2"),
        ({"correlated": [1, 2, 3]}, "`correlated` 1 2 3: wanted auto, off, or one or two whole numbers"),
        ({"correlated": 2.5}, "`correlated` 2.5: wanted auto"),
        ({"correlated": "on"}, "`correlated` on: wanted auto"),
        ({"correlated": 3}, "`patch_size` 128: wanted a multiple of 192"),
        ({"distance": [1, 2, 3]}, "`distance` 1 2 3: wanted one number, or two"),
        ({"method": "renoised"}, "`method` renoised: learns from another denoiser"),
        ({"method": "renoised", "teacher": "x", "noise": "poisson"}, "`method` renoised with `noise` poisson"),
    ],
)
def test_refused(settings, text):
    with pytest.raises(UsageError, match=text):
        noisy("photos", **settings)


def test_renoised_as_a_method_of_its_own(shared, run, tmp_path):
    out, _ = run
    n2n_tf.train(noisy(shared, method="renoised", teacher=str(out / "teacher"), epochs=1), tmp_path / "more")
    assert "loss" in rows(tmp_path / "more")[0]
    with pytest.raises(UsageError, match=r"`teacher` .*: of another network; wanted `network` two_layers"):
        n2n_tf.train(noisy(shared, method="renoised", teacher=str(out), features=3, epochs=1), tmp_path / "other")


def test_steps_are_shared():
    run = noisy("photos", epochs=10).run
    assert [each.epochs for each in stages.shared(run, 100)] == [8, 2]
    assert [each.epochs for each in stages.shared(noisy("photos", epochs=2).run, 100)] == [1, 1]
    one = stages.shared(noisy("photos", epochs=1, steps_per_epoch=0).run, 100)
    assert [(each.epochs, each.steps_per_epoch) for each in one] == [(1, 75), (1, 25)]
    assert [each.steps_per_epoch for each in stages.shared(noisy("photos", epochs=1).run, 1)] == [1, 1]
