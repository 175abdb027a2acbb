import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from n2n_tf.compat import KERAS_2
from n2n_tf.config import UsageError
from n2n_tf.noise import Camera, Gaussian, Poisson
from n2n_tf.training.presets import build_config

SIDE = 128
N = SIDE * SIDE * 3
CLEAN = tf.fill([SIDE, SIDE, 3], 0.4)


def check_moments(noise, variance, fourth):
    """Mean and variance of the noise within five standard errors; `fourth` is its fourth central moment."""
    error = (noise(CLEAN, [1, 2]) - CLEAN).numpy().astype(np.float64)
    assert abs(error.mean()) < 5 * np.sqrt(variance / N)
    assert abs(error.var() - variance) < 5 * np.sqrt((fourth - variance**2) / N)
    neighbors = (error[1:] * error[:-1]).mean()
    channels = (error[..., 1:] * error[..., :-1]).mean()
    assert abs(neighbors) < 5 * variance / np.sqrt(N * 0.99)  # independent between pixels
    assert abs(channels) < 5 * variance / np.sqrt(N * 2 / 3)  # and channels


def gaussian_moments(sigma):
    return sigma**2, 3 * sigma**4


def poisson_moments(lam):
    rate = lam * 0.4
    return rate / lam**2, (rate + 3 * rate**2) / lam**4


@pytest.mark.parametrize("sigma", [5 / 255, 25 / 255, 50 / 255])
def test_gaussian_moments(sigma):
    check_moments(Gaussian(sigma), *gaussian_moments(sigma))


@pytest.mark.parametrize("lam", [5.0, 30.0, 50.0])
def test_poisson_moments(lam):
    check_moments(Poisson(lam), *poisson_moments(lam))


def camera_moments(gain, read):
    variance = gain * 0.4 + read**2
    return variance, 3 * variance**2


@pytest.mark.parametrize(("gain", "read"), [(0.01, 0.0), (0.0007, 0.02), (0.02, 0.05)])
def test_camera_moments(gain, read):
    check_moments(Camera(gain, read=read), *camera_moments(gain, read))
    drawn = Camera(gain, read=read).draw(CLEAN.numpy(), np.random.RandomState(0))
    check_moments(lambda clean, seed: tf.constant(drawn), *camera_moments(gain, read))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda clean, seed: clean,
        lambda clean, seed: Gaussian(0.102)(clean, seed),  # 4 % too strong
        lambda clean, seed: Gaussian(25 / 255)(clean, seed) + 0.003,
        lambda clean, seed: clean + Gaussian(25 / 255)(clean[..., :1], seed) - clean[..., :1],
    ],
    ids=["no noise", "wrong strength", "biased", "one draw for all channels"],
)
def test_the_check_of_moments_can_fail(wrong):
    with pytest.raises(AssertionError):
        check_moments(wrong, *gaussian_moments(25 / 255))


def test_poisson_counts_are_whole_and_negative_intensities_count_as_zero():
    noisy = Poisson(30.0)(tf.constant([[[-0.5], [0.0], [1.0]]]), [0, 0]).numpy().ravel()
    np.testing.assert_array_equal(noisy[:2], 0)
    assert noisy[2] > 0
    counts = Poisson(7.0)(CLEAN, [0, 0]).numpy() * 7
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-4)


@pytest.mark.parametrize("kind", [Gaussian, Poisson])
def test_a_range_draws_one_level_for_each_image(kind):
    low, high = (5 / 255, 50 / 255) if kind is Gaussian else (5.0, 50.0)
    noise = kind(low, high)
    levels = []
    for number in range(200):
        spread = np.std(noise(tf.fill([64, 64, 1], 0.5), [0, number]) - 0.5)
        levels.append(spread if kind is Gaussian else 0.5 / spread**2)
    assert low * 0.9 < min(levels) < low + 0.1 * (high - low)
    assert high - 0.1 * (high - low) < max(levels) < high * 1.1
    # uniform: mean within five standard errors
    assert abs(np.mean(levels) - (low + high) / 2) < 5 * (high - low) / np.sqrt(12 * 200)


@pytest.mark.parametrize(
    "noise", [Gaussian(0.1), Gaussian(0.02, 0.2), Poisson(30.0), Poisson(5.0, 50.0), Camera(0.001, 0.02)], ids=str
)
def test_the_seed_decides_everywhere(noise):
    eager = noise(CLEAN, tf.constant([3, 4]))
    np.testing.assert_array_equal(noise(CLEAN, tf.constant([3, 4])), eager)
    (mapped,) = tf.data.Dataset.from_tensors(CLEAN).map(lambda clean: noise(clean, tf.constant([3, 4])))
    for graph in (tf.function(noise)(CLEAN, tf.constant([3, 4])), mapped):
        np.testing.assert_allclose(graph, eager, rtol=2e-7 if KERAS_2 else 0)  # there graphs multiply by 1/lam
    assert np.mean(noise(CLEAN, tf.constant([3, 5])) == eager) < 0.5


@pytest.mark.parametrize("kind", [Camera, Gaussian, Poisson])
@pytest.mark.parametrize("levels", [(0.0,), (-1.0,), (2.0, 1.0)])
def test_impossible_levels_are_refused(kind, levels):
    with pytest.raises(ValueError, match="above 0"):
        kind(*levels)


@pytest.mark.parametrize("noise", [Camera(0.001, 0.02), Gaussian(5 / 255, 50 / 255), Poisson(5.0, 50.0)], ids=str)
def test_the_level_tells_nothing_of_the_noise(noise):
    """Of one image of a range: its spread, and how its first pixel lies in it, over 400 images."""
    clean = tf.fill([24, 24, 1], 0.4)
    images = tf.data.Dataset.range(400).map(lambda number: noise(clean, tf.stack([0, number])) - clean)
    errors = np.stack(list(images.as_numpy_iterator())).reshape(400, -1)
    levels = errors[:, 1:].std(axis=1)
    first = errors[:, 0] / levels
    for value in (first, abs(first)):
        assert abs(np.corrcoef(np.argsort(np.argsort(levels)), value)[0, 1]) < 5 / np.sqrt(400)


def test_negative_intensities_count_as_zero_in_the_authors_protocol_too():
    noisy = Poisson(30.0).draw(np.float32([[[-0.5], [0.0], [1.0]]]), np.random.RandomState(0)).ravel()
    assert (noisy[:2].tolist(), noisy[2] > 0, noisy.dtype) == ([0, 0], True, np.float32)


def measured_levels(noise, count=400, draw=False):
    """a and s² of many images, by NumPy: the variance of two flat planes, 0 and 1, tells them; 1 % to 2 % exact."""
    clean = np.zeros((96, 192, 1), np.float32)
    clean[:, 96:] = 1
    generator, found = np.random.RandomState(0), []
    for number in range(count):
        noisy = noise.draw(clean, generator) if draw else noise(tf.constant(clean), [7, number]).numpy()
        dark, bright = ((noisy - clean)[:, half].astype(np.float64).var() for half in np.s_[:96, 96:])
        found.append((bright - dark, dark))
    return np.log10(np.transpose(found))


LOW, HIGH = 0.00068674, 0.02194856


def check_levels(gain, dark):
    """log a is uniform; log s² scatters normally around the line, whatever a is: by Kolmogorov and Smirnov."""
    uniform = scipy.stats.uniform(np.log10(LOW), np.log10(HIGH) - np.log10(LOW))
    assert scipy.stats.kstest(gain, uniform.cdf).pvalue > 1e-3
    rest = dark - (1.85 * gain + 0.30)
    assert scipy.stats.kstest(rest, scipy.stats.norm(0, 0.20).cdf).pvalue > 1e-3
    assert abs(scipy.stats.spearmanr(gain, rest).statistic) < 4 / np.sqrt(len(gain))


@pytest.mark.parametrize("draw", [False, True])
def test_each_image_has_a_level_as_of_a_camera(draw):
    check_levels(*measured_levels(Camera(LOW, HIGH), draw=draw))


@pytest.mark.parametrize("noise", [Camera(2 * LOW, HIGH), Camera(LOW, HIGH, read=0.005)], ids=str)
def test_the_check_of_levels_can_fail(noise):
    with pytest.raises(AssertionError):
        check_levels(*measured_levels(noise, 200))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_camera_noise_follows_brightness(channels):
    """Planes of a mosaic, colours and gray alike; below black it is what reading adds."""
    clean = np.broadcast_to(np.linspace(-0.2, 1, 13, dtype=np.float32)[:, None, None], (13, 20000, channels))
    error = (Camera(0.01, read=0.03)(tf.constant(clean), [1, 2]).numpy() - clean).astype(np.float64)
    expected = 0.01 * np.maximum(clean[:, 0], 0) + 0.03**2
    found = error.var(axis=1)
    assert (abs(found / expected - 1) < 5 * np.sqrt(2 / 20000)).all()
    correlation = np.corrcoef(error[:, :, 0].ravel(), error[:, :, -1].ravel())[0, 1]
    assert channels == 1 or abs(correlation) < 5 / np.sqrt(13 * 20000)


def test_clipped_as_files_are():
    clean = tf.constant([[[0.0], [0.5], [1.0]]] * 500)
    plain, cut = (Camera(0.01, read=0.03, clipped=each)(clean, [1, 2]).numpy() for each in (False, True))
    np.testing.assert_array_equal(np.clip(plain, 0, 1), cut)
    assert plain.min() < 0 < 1 < plain.max()
    drawn = Camera(0.01, read=0.03, clipped=True).draw(clean.numpy(), np.random.RandomState(0))
    assert (drawn.min(), drawn.max(), drawn.dtype) == (0, 1, np.float32)


def of_camera(**settings):
    return build_config({"data": ["x"], "noise": "camera", **settings}).noise.build()


def test_settings_of_a_camera():
    assert str(of_camera()) == f"camera {LOW:g}-{HIGH:g}"
    assert str(of_camera(gain=0.004, read=0.003)) == "camera 0.004, read 0.003"
    assert str(of_camera(gain=[0.001, 0.002], clipped=True)) == "camera 0.001-0.002, clipped"
    for settings, text in (
        ({"gain": [0.2, 0.1]}, "`gain` 0.2 0.1: wanted one number, or two in ascending order"),
        ({"gain": [0.0]}, "`gain` 0.0: wanted above 0 and at most 1"),
        ({"read": "none"}, "`read` none: wanted at least 0 and at most 1, or auto"),
        ({"method": "noisier2noise"}, "`method` noisier2noise: wants gaussian noise of one known level"),
        ({"method": "recorrupted2recorrupted"}, "wants gaussian noise of one known level"),
        ({"method": "renoised", "teacher": "y"}, "`method` renoised with `noise` camera: is for images that are noisy"),
        ({"refine": True}, "`refine` with `noise` camera: wants gaussian noise of one level"),
        ({"correlated": [2]}, "`correlated` with `noise` camera: is for images that are noisy already"),
        ({"sigma": [25.0]}, "`sigma` has no effect with `noise` camera: leave it out, or say `noise` gaussian"),
    ):
        with pytest.raises(UsageError, match=text):
            of_camera(**settings)
    with pytest.raises(ValueError, match="read must be at least 0"):
        Camera(0.01, read=-0.1)
