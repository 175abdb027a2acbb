import ast
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from skimage import data

from n2n_tf.meter import METERS, images
from n2n_tf.meter.chen import chen
from n2n_tf.meter.dct_blocks import _differences
from n2n_tf.meter.level import UNRELIABLE, level
from n2n_tf.meter.line import fit
from n2n_tf.meter.poisson_gaussian import poisson_gaussian
from tests.scenes import blurred, gaussian, mixed, rounded, scene

PHOTOGRAPHS = {"astronaut": data.astronaut, "coffee": data.coffee, "chelsea": data.chelsea}


def test_the_room_loads_no_tensorflow():
    check = "import sys, n2n_tf.meter; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
    for path in Path(images.__file__).parent.glob("*.py"):
        names = {ast.unparse(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import)}
        assert not any("tensorflow" in name or "keras" in name for name in names), path


@pytest.mark.parametrize("sigma", [5, 25, 50])
def test_chen_reads_pure_noise_within_its_error(sigma):
    flat = np.full((256, 256, 3), 0.5, np.float32)
    found = [chen(gaussian(flat, sigma, seed)) for seed in range(3)]
    least = sigma / 255 / np.sqrt(2 * flat.size)  # of the sample standard deviation: nothing does better on pure noise
    assert all(least < each.error < 0.04 * sigma / 255 for each in found)
    assert all(abs(each.sigma - sigma / 255) < 4 * each.error for each in found)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("sigma", [15, 50])
def test_level_of_photographs(name, sigma):
    noisy = gaussian(np.float32(PHOTOGRAPHS[name]()) / 255, sigma)
    colour, gray = level([noisy]), level([noisy[..., 1]])
    assert colour.sigma == pytest.approx(sigma / 255, rel=0.02)
    assert colour.notes == ()
    assert gray.sigma == pytest.approx(sigma / 255, rel=0.05)
    assert UNRELIABLE in gray.notes
    np.testing.assert_array_equal(gray.variance(noisy), np.full_like(noisy, gray.sigma**2))


def test_level_of_colours_without_noise_of_their_own():
    noisy = gaussian(np.float32(data.coffee()) / 255, 25)
    green, yellow, cut = noisy * np.float32([0, 1, 0]), noisy[..., [1, 1, 2]] * np.float32([1, 1, 0]), noisy.copy()
    cut[..., 2] = 0
    gray = level([noisy[..., 1]])
    assert level([green]) == level([yellow]) == gray
    assert poisson_gaussian([green]) == poisson_gaussian([yellow]) == poisson_gaussian([noisy[..., 1]])
    assert METERS["clipping"]([np.abs(green)]).value == 0  # an empty channel is no noise cut off
    assert level([cut]).sigma == pytest.approx(25 / 255, rel=0.05)
    assert UNRELIABLE in level([cut]).notes


def test_level_says_when_images_differ():
    found = level([gaussian(scene(), sigma) for sigma in (10, 30)])
    assert any("differs between images" in note for note in found.notes)
    assert (found.lowest, found.highest) == pytest.approx((10 / 255, 30 / 255), rel=0.05)


@pytest.mark.parametrize(
    ("channels", "gain", "sigma"),
    [(3, 0.1, 0), (3, 1 / 30, 5), (1, 1 / 30, 0), (1, 1 / 60, 10), (4, 0.01, 5), (3, 0, 25)],
)
def test_gain_and_offset_lie_within_their_errors(channels, gain, sigma):
    clean = scene(channels)
    noisy = [mixed(clean, gain, sigma, seed) if gain else gaussian(clean, sigma, seed) for seed in range(3)]
    found = poisson_gaussian(noisy)
    assert abs(found.gain - gain) < 4 * found.gain_error
    assert abs(found.offset - (sigma / 255) ** 2) < 4 * found.offset_error
    truth = np.sqrt(gain * found.brightness + (sigma / 255) ** 2)
    assert abs(found.level - truth) < 4 * found.level_error + 0.002 * truth
    assert found.level_error < 0.01 * truth  # an error that covers everything would pass the lines above
    if gain > 0.03:
        assert found.gain_error < 0.03 * gain


def test_errors_are_neither_too_small_nor_too_large():
    clean, gain = scene(1), 1 / 30
    found = [poisson_gaussian([mixed(clean, gain, 0, seed)]) for seed in range(20)]
    scores = np.array([(each.gain - gain) / each.gain_error for each in found])
    assert 0.5 < np.sqrt(np.mean(scores**2)) < 1.6  # 1 ± 0.16 by 20 draws


def test_clipping_does_not_lower_the_level():
    clean = scene() * 1.4  # the brightest part lies beyond white
    found = poisson_gaussian([rounded(gaussian(clean, 25, seed)) for seed in range(2)])
    assert found.level == pytest.approx(25 / 255, rel=0.02)
    assert abs(found.gain) < 4 * found.gain_error + 5e-4
    with pytest.raises(ValueError, match="without clipping"):
        poisson_gaussian([rounded(gaussian(np.zeros((64, 64, 1)), 5))])


def test_correlated_noise_is_read_too_low_as_said():
    found = poisson_gaussian([blurred(scene(), 25)])
    assert found.level < 0.8 * 25 / 255


def test_a_line_is_least_squares_by_numpy():
    random = np.random.default_rng(0)
    mean, freedom = random.uniform(0.2, 1, 40), np.full(40, 500.0)
    variance = (0.03 * mean + 0.001) * (1 + random.normal(0, np.sqrt(2 / 500), 40))
    found, covariance = fit(mean, variance, freedom)
    sigma = (found @ (mean, np.ones(40))) * np.sqrt(2 / 500)
    wanted, expected = np.polyfit(mean, variance, 1, w=1 / sigma, cov="unscaled")
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    misfit = np.sum(((variance - np.polyval(wanted, mean)) / sigma) ** 2) / 38
    np.testing.assert_allclose(covariance, expected * max(1, misfit), rtol=1e-6)


@pytest.mark.parametrize("channels", [2, 3, 5])
def test_differences_of_channels_are_orthonormal_and_blind_to_gray(channels):
    rows = _differences(channels)
    np.testing.assert_allclose(rows @ rows.T, np.eye(channels - 1), atol=1e-6)
    np.testing.assert_allclose(rows.sum(1), 0, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in METERS if name != "hot_pixels"])
def test_one_image_at_a_time_is_held(name):
    alive = []

    def stream():
        for seed in range(4):
            image = gaussian(scene(3, (64, 160)), 25, seed)
            alive.append(weakref.ref(image))
            yield image
            del image
            assert sum(each() is not None for each in alive) <= 1

    METERS[name](stream())


@pytest.mark.parametrize("name", METERS)
@pytest.mark.parametrize(
    ("image", "error", "said"),
    [
        (np.zeros((32, 32), np.uint8), TypeError, "divide it by its value range"),
        (np.zeros((8, 32, 3), np.float32), ValueError, "at least 16×16"),
        (np.zeros((32, 32, 3, 1), np.float32), ValueError, "wanted \\[H, W\\]"),
        (np.full((32, 32), np.nan, np.float32), ValueError, "not a number"),
    ],
)
def test_what_is_no_image_is_refused(name, image, error, said):
    with pytest.raises(error, match=said):
        METERS[name]([image])
    with pytest.raises(ValueError, match=r"no image|no block"):
        METERS[name]([])
    with pytest.raises(ValueError, match="an image of 1 channels after one of 3"):
        METERS[name](gaussian(scene(channels, (64, 160)), 25) for channels in (3, 1))


@pytest.mark.parametrize("name", METERS)
def test_a_flat_image_without_noise_is_measured(name):
    found = METERS[name]([np.full((64, 64, 3), 0.5, np.float32)])
    assert found.images == 1
