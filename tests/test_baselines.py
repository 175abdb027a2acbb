"""Denoisers that need no training set: what they gain, what they are by other means, and where they can be used."""

import importlib.machinery
import importlib.util
import sys
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq
from scipy.stats import poisson
from skimage.restoration import denoise_nl_means

from n2n_tf.baselines import BASELINES, baseline_of, dip, self2self
from n2n_tf.baselines.anscombe import restored, stabilised
from n2n_tf.baselines.anscombe_bm3d import anscombe_bm3d
from n2n_tf.baselines.bm3d import bm3d
from n2n_tf.baselines.denoiser import Baseline
from n2n_tf.baselines.level import photons_of, sigma_of
from n2n_tf.baselines.zs_n2n import pair, zs_network
from n2n_tf.cli.main import main
from n2n_tf.config import UsageError
from n2n_tf.evaluation.metrics import psnr
from n2n_tf.meter.poisson_gaussian import usual_sigma
from n2n_tf.progress import ProgressLine

SIGMA = 25 / 255
INSTALLED = importlib.util.find_spec("bm3d") is not None
real = pytest.mark.skipif(not INSTALLED, reason="bm3d, extra `bm3d`, is not installed: free for non-commercial use")


def smooth(height, width, channels=3):
    rows, columns = np.mgrid[:height, :width] / 9
    waves = [np.sin(rows + phase) * np.cos(columns - phase) for phase in range(channels)]
    return (0.5 + 0.3 * np.stack(waves, -1)).astype(np.float32)


def noisy_of(clean, sigma=SIGMA, seed=0):
    return (clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)).astype(np.float32)


def blurred(image, sigma):
    """What stands in for the package: its result depends on σ and on the neighbours, and NaN does not come in."""
    assert np.isfinite(image).all()
    assert min(image.shape[:2]) >= 9  # a smaller one ends the process
    return gaussian_filter(image, (10 * sigma, 10 * sigma, 0)[: image.ndim])


def stand_in():
    package = types.ModuleType("bm3d")
    package.__spec__ = importlib.machinery.ModuleSpec("bm3d", None)
    package.bm3d = lambda image, sigma: blurred(image, sigma)

    def bm3d_rgb(image, sigma):
        for span in (np.ptp(image @ row) for row in ([1, 1, 1], [1, 0, -1], [1, -2, 1])):
            assert span > 0  # the package divides by it
        return blurred(image, sigma)

    package.bm3d_rgb = bm3d_rgb
    return package


@pytest.fixture
def package(monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", stand_in())


@pytest.fixture
def quick(monkeypatch):
    """Narrow networks, that learn fast."""
    monkeypatch.setattr(dip, "FEATURES", 16)
    monkeypatch.setattr(dip, "SCALES", 2)
    for name, value in (("ENCODER", 16), ("DECODER", 16), ("LAST", (16, 16)), ("LEVELS", 2), ("RATE", 5e-3)):
        monkeypatch.setattr(self2self, name, value)


FEW = {"dip": {"steps": 2}, "self2self": {"steps": 1, "predictions": 1}, "zs_n2n": {"steps": 2}}
GAINING = {"dip": {"steps": 60}, "self2self": {"steps": 200, "predictions": 10}, "zs_n2n": {"steps": 150}}


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.usefixtures("package", "quick")
def test_each_gains(name):
    clean = smooth(40, 36)
    noisy = noisy_of(clean)
    given = noisy.copy()
    denoised = Baseline(baseline_of(name, **GAINING.get(name, {})))(noisy)
    np.testing.assert_array_equal(noisy, given)
    assert denoised.dtype == np.float32
    assert psnr(denoised, clean) > psnr(noisy, clean) + 4


@real
@pytest.mark.parametrize("name", ["bm3d", "anscombe_bm3d"])
def test_the_package_gains(name):
    clean = smooth(40, 36, 1)
    noisy = noisy_of(clean) if name == "bm3d" else np.random.default_rng(0).poisson(clean * 30) / np.float32(30)
    assert psnr(Baseline(name)(noisy.astype(np.float32)), clean) > psnr(noisy, clean) + 8


@real
def test_bm3d_is_what_the_package_gives():
    import bm3d as package

    noisy = noisy_of(smooth(33, 40))
    np.testing.assert_allclose(bm3d(noisy, SIGMA), package.bm3d_rgb(noisy.astype(float), SIGMA), atol=1e-6)
    gray = noisy[..., :1]
    np.testing.assert_allclose(bm3d(gray, SIGMA)[..., 0], package.bm3d(gray[..., 0].astype(float), SIGMA), atol=1e-6)


@real
@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 8, 3), (5, 19, 3)])
def test_the_package_survives_small_images(shape):
    assert np.isfinite(Baseline("bm3d")(noisy_of(smooth(*shape)))).all()


@pytest.mark.parametrize("sigma", [0.0, SIGMA * 255])
def test_nlm_is_scikit_images(sigma):
    noisy = noisy_of(smooth(40, 50))
    level = sigma / 255 or sigma_of(noisy)
    expected = denoise_nl_means(noisy, 5, 6, 0.6 * level, fast_mode=True, sigma=level, channel_axis=-1)
    np.testing.assert_allclose(Baseline(baseline_of("nlm", known_sigma=sigma))(noisy), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(60, 60, 1), (60, 60, 3), (400, 400, 3)])
def test_sigma_is_measured_large_or_small(shape):
    """To 8 %: on 400×400 by patches, else from some tens of flat blocks with 21 numbers each."""
    assert sigma_of(noisy_of(smooth(*shape))) == pytest.approx(SIGMA, rel=0.08)


@pytest.mark.parametrize("side", [60, 300])
@pytest.mark.parametrize("colour", [(1, 1, 1), (0, 1, 0), (1, 1, 0)], ids=["gray", "green", "yellow"])
def test_sigma_of_one_channel_stored_as_colours(colour, side):
    """Also where there are enough patches: their covariance has no noise in some directions."""
    gray = noisy_of(smooth(side, side, 1))
    assert sigma_of(gray * np.float32(colour)) == sigma_of(gray) == pytest.approx(SIGMA, rel=0.08)
    assert photons_of(gray * np.float32(colour)) == photons_of(gray)


def expectation(x, gain, offset):
    """E of the transformation of gain·Poisson(x / gain) + normal of variance `offset`, by sums and Gauss-Hermite."""
    counts = np.arange(poisson.ppf(1e-13, x / gain), poisson.ppf(1 - 1e-13, x / gain) + 1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    values = gain * counts[:, None] + np.sqrt(offset) * nodes
    inner = stabilised(values, gain, offset) @ (weights / weights.sum())
    return float(poisson.pmf(counts, x / gain) @ inner)


@pytest.mark.parametrize(("gain", "offset"), [(1 / 30, 0.0), (1 / 30, 0.0004), (0.01, 0.002), (0.2, 0.0)])
def test_the_inverse_is_unbiased(gain, offset):
    """Against the exact inverse, by root finding on the numerical expectation; within 0.03 photons or 1 %."""
    for x in (0.1, 0.3, 0.5, 0.9):
        mean = expectation(x, gain, offset)
        found = float(restored(np.array(mean), gain, offset))
        assert found == pytest.approx(x, abs=max(0.03 * gain, 0.01 * x))
        exact = brentq(lambda each: expectation(each, gain, offset) - mean, 1e-3, 2)  # noqa: B023
        assert found == pytest.approx(exact, abs=max(0.03 * gain, 0.01 * x))


def test_the_algebraic_inverse_would_fail():
    gain, x = 0.2, 0.3
    mean = expectation(x, gain, 0.0)
    algebraic = gain * (mean**2 / 4 - 3 / 8)
    assert abs(algebraic - x) > max(0.03 * gain, 0.01 * x)


def test_the_transformation_makes_the_variance_one():
    draws = np.random.default_rng(0).poisson(20, 200_000) / 30 + np.random.default_rng(1).normal(0, 0.02, 200_000)
    assert stabilised(draws, 1 / 30, 0.0004).var() == pytest.approx(1, rel=0.02)  # its standard error is 0.3 %
    assert pytest.approx(1, rel=0.02) != (20 / 30**2 + 0.0004)


def test_no_light_is_no_light():
    assert restored(np.array(0.0), 1 / 30, 0.0) == pytest.approx(0, abs=1e-6)


@pytest.mark.usefixtures("package")
def test_gaussian_noise_is_left_to_bm3d():
    noisy = noisy_of(smooth(64, 64, 1))
    assert np.isfinite(anscombe_bm3d(noisy)).all()
    told = anscombe_bm3d(noisy, gain=0.05, offset=0.0)
    assert np.abs(told - anscombe_bm3d(noisy)).max() > 1e-3


@pytest.fixture
def eager():
    """Without graphs, whose making takes longer than some steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("shape", [(1, 1), (7, 5, 3), (1, 40, 1), (33, 47, 3), (20, 21, 2), (2, 18, 22, 4)])
@pytest.mark.usefixtures("package", "quick", "eager")
def test_any_shape(name, shape):
    image = noisy_of(smooth(*shape[:2], 1)[..., 0]) if len(shape) == 2 else noisy_of(smooth(*shape[-3:]))
    image = np.stack([image, image]) if len(shape) == 4 else image
    denoised = Baseline(baseline_of(name, **FEW.get(name, {})), kind="RGB")(image)
    assert denoised.shape == shape
    assert np.isfinite(denoised).all()


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("image", [np.full((20, 20, 3), 0.5, np.float32), np.zeros((5, 5), np.uint8)])
@pytest.mark.usefixtures("package")
def test_a_constant_image_stays(name, image):
    np.testing.assert_array_equal(Baseline(name)(image), image)


@pytest.mark.parametrize("name", FEW)
@pytest.mark.usefixtures("quick", "eager")
def test_the_same_seed_gives_the_same(name):
    noisy = noisy_of(smooth(17, 20))
    one, again, other = (Baseline(baseline_of(name, **FEW[name], seed=seed))(noisy) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-4


@pytest.mark.usefixtures("package")
def test_colours_are_kept_apart_where_they_are_no_colours(monkeypatch):
    image = noisy_of(smooth(24, 24))
    seen = []
    monkeypatch.setattr("n2n_tf.baselines.bm3d.bm3d", lambda one, sigma: seen.append(one.shape[-1]) or one)
    for kind in ("RGB", "channels"):
        Baseline("bm3d", 3, kind)(image)
    assert seen == [3, 1, 1, 1]


@pytest.mark.usefixtures("package")
def test_gray_stored_as_colours_reaches_no_division_by_zero():
    gray = noisy_of(smooth(30, 30, 1))
    colours = np.repeat(gray, 3, -1)
    np.testing.assert_allclose(bm3d(colours, SIGMA), np.repeat(bm3d(gray, SIGMA), 3, -1), atol=1e-6)
    colours[..., 0] = 0.5
    bm3d(colours, SIGMA)


def test_integers_and_their_range():
    clean = smooth(40, 40, 1)[..., 0]
    floats = noisy_of(clean)
    counts = np.round(400 + 3000 * floats).astype(np.uint16)
    denoised = Baseline("nlm", 1, value_range=(400, 3400))(counts)
    assert denoised.dtype == np.uint16
    np.testing.assert_allclose((denoised - 400.0) / 3000, Baseline("nlm", 1)(floats), atol=2e-3)


def test_noise_that_clipping_touches_everywhere_is_measured_as_it_left_it():
    dark = np.full((128, 128, 1), 0.03, np.float32)
    noisy = np.maximum(noisy_of(dark, 0.05), 0)
    assert usual_sigma(noisy) is None
    assert sigma_of(noisy) == pytest.approx(np.std(noisy), rel=0.1)


def test_nearly_all_clipped_says_so():
    image = (np.indices((32, 32)).sum(0) % 2).astype(np.float32)
    image[0, 0] = 0.5
    with pytest.raises(ValueError, match=r"say how strong the noise is \(`known_sigma`\)"):
        Baseline("nlm", 1)(image)


def test_zs_n2ns_parts():
    assert zs_network(3, 0).count_params() == 22_275  # the paper's 22 thousand
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    one, other = (np.asarray(half)[0, ..., 0] for half in pair(image))
    np.testing.assert_array_equal(one, [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_array_equal(other, [[2.5, 4.5], [10.5, 12.5]])
    image[0, 0, 0, 0] = 100  # is in one of the two
    one, other = (np.asarray(half)[0, 0, 0, 0] for half in pair(image))
    assert (one, other) == (2.5, 52.5)


def test_partial_convolution_sees_no_hidden_pixel():
    network = self2self.PartialUNet(2, 0)
    image, mask = np.random.default_rng(0).random((2, 1, 32, 32, 2)).astype(np.float32)
    mask = (mask < 0.7).astype(np.float32)
    seed = np.array([0, 1], np.int32)
    expected = network(image, mask, seed)
    np.testing.assert_array_equal(network(image + (1 - mask), mask, seed), expected)
    assert np.abs(network(image + mask, mask, seed) - expected).max() > 1e-4


def test_partial_convolution_of_a_constant_does_not_see_the_mask():
    import keras

    conv = keras.layers.Conv2D(1, 3, kernel_initializer="ones")
    mask = (np.random.default_rng(0).random((1, 12, 12, 1)) < 0.5).astype(np.float32)
    result, shown = self2self.partial(conv, np.ones((1, 12, 12, 1), np.float32), mask)
    assert (np.asarray(shown) == 1).mean() > 0.9
    inner = np.asarray(result)[0, 1:-1, 1:-1, 0][np.asarray(shown)[0, 1:-1, 1:-1, 0] > 0]
    np.testing.assert_allclose(inner, 9, rtol=1e-5)


@pytest.mark.usefixtures("quick", "eager")
def test_dip_goes_back_after_a_fall(monkeypatch):
    errors = iter([1.0, 1.0, 100.0, 1.0])
    monkeypatch.setattr(dip, "LOOK", 1)
    set_weights = []

    def fitted(what, loss, variables, rate, steps, seed):
        for error in errors:
            yield error, loss(np.array([0, 0], np.int32))[1]

    network = dip.dip_network

    def watched(channels, seed):
        made = network(channels, seed)
        monkeypatch.setattr(made, "set_weights", lambda weights: set_weights.append(1))
        return made

    monkeypatch.setattr(dip, "fitted", fitted)
    monkeypatch.setattr(dip, "dip_network", watched)
    dip.dip(noisy_of(smooth(16, 16, 1)), 4)
    assert set_weights == [1]


def test_ctrl_c_ends_it_and_the_bar(monkeypatch):
    def stop(line, amount=1):
        raise KeyboardInterrupt

    monkeypatch.setattr(ProgressLine, "advance", stop)
    with pytest.raises(KeyboardInterrupt):
        Baseline(baseline_of("zs_n2n", steps=5))(noisy_of(smooth(12, 12)))
    assert ProgressLine._shown is None


def test_a_bar_within_a_bar():
    with ProgressLine("outer", 2, quiet=True) as outer:
        with ProgressLine("inner", 3) as inner:
            inner.advance()
            inner.say("a third")
            assert [task.description for task in outer._progress.tasks] == ["outer", "inner"]
        outer.advance()
        assert [task.completed for task in outer._progress.tasks] == [1]
    assert ProgressLine._shown is None


@pytest.mark.parametrize("name", ["bm3d", "anscombe_bm3d"])
def test_without_the_package(name, monkeypatch, tmp_path, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda each: None if each == "bm3d" else find(each))
    with pytest.raises(UsageError, match=r'bm3d is not installed: pip install "n2n-tf\[bm3d\]"'):
        Baseline(name)
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "a.png")
    assert main(["denoise", name, str(tmp_path / "a.png"), "--output", str(tmp_path / "out")]) == 2
    assert f'MODEL {name}: bm3d is not installed: pip install "n2n-tf[bm3d]"' in capsys.readouterr().err
