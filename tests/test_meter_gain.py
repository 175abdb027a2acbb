import numpy as np
import pytest
from scipy.ndimage import convolve1d, gaussian_filter

from n2n_tf.meter import Level, PoissonGaussian, sure, umse
from n2n_tf.meter.correlation import correlation
from n2n_tf.meter.gain import gain
from n2n_tf.meter.level import level
from n2n_tf.meter.pile import uncut
from n2n_tf.meter.poisson_gaussian import poisson_gaussian
from tests.scenes import blurred, gaussian, mixed, scene

SIGMA = 25
EXACT = Level(SIGMA / 255, 0, SIGMA / 255, SIGMA / 255, 0, 1)
KERNEL = np.array([0.25, 0.5, 0.25])


def linear(image):
    """A filter whose divergence is known: its middle weight, squared, for each pixel."""
    return convolve1d(convolve1d(image, KERNEL, axis=0, mode="wrap"), KERNEL, axis=1, mode="wrap")


def threshold(image):
    """A denoiser with kinks: small departures from a blurred image are dropped."""
    smooth = gaussian_filter(image, (2, 2, 0))
    rest = image - smooth
    return smooth + np.sign(rest) * np.maximum(np.abs(rest) - 0.15, 0)


def errors(denoiser, clean, noisy):
    return [np.mean((denoiser(y) - x) ** 2) for x, y in zip(clean, noisy, strict=True)]


def test_of_a_linear_filter_it_is_the_closed_form():
    noisy, sigma = gaussian(scene(), SIGMA), SIGMA / 255
    closed = np.mean((linear(noisy) - noisy) ** 2, dtype=float) - sigma**2 + 2 * sigma**2 * KERNEL[1] ** 2
    found = [sure(linear, [noisy], EXACT, seed=seed).mse for seed in range(12)]
    spread = 2 * sigma**2 * np.sqrt(2 / noisy.size) * (np.sum(KERNEL**2) ** 2 - KERNEL[1] ** 4) ** 0.5
    assert np.std(found) == pytest.approx(spread, rel=0.6)  # of b'Hb, Hutchinson's variance 2·(|H|² - Σ Hii²)
    assert np.mean(found) == pytest.approx(closed, abs=4 * spread / np.sqrt(12))


def test_doing_nothing_has_the_error_of_the_noise():
    found = sure(lambda image: image, [gaussian(scene(), SIGMA)], EXACT)
    assert found.mse == pytest.approx(EXACT.sigma**2, rel=1e-4)
    assert found.psnr == pytest.approx(found.before, abs=1e-3)
    assert found.before == pytest.approx(-20 * np.log10(EXACT.sigma))


@pytest.mark.parametrize("denoiser", [linear, threshold])
def test_gaussian_noise_against_the_truth(denoiser):
    clean = [scene(texture=share) for share in (0.0, 0.2, 0.4)]
    noisy = [gaussian(image, SIGMA, seed) for seed, image in enumerate(clean)]
    true = errors(denoiser, clean, noisy)
    for noise, tolerance in ((EXACT, 0.1), (level(noisy), 0.5)):  # 1 % of σ² is 10 % of the smallest error here
        found = sure(denoiser, noisy, noise)
        assert abs(found.mse - np.mean(true)) < 4 * found.mse_error
        assert found.mse_error < 0.05 * np.mean(true)
        assert found.psnr == pytest.approx(np.mean(-10 * np.log10(true)), abs=tolerance)
        assert found.before == pytest.approx(-20 * np.log10(SIGMA / 255), abs=0.1)


@pytest.mark.parametrize(("gain", "sigma"), [(1 / 30, 0), (1 / 60, 10)])
def test_poisson_gaussian_noise_against_the_truth(gain, sigma):
    clean = [scene(texture=share) for share in (0.0, 0.2, 0.4)]
    noisy = [mixed(image, gain, sigma, seed) for seed, image in enumerate(clean)]
    true = errors(linear, clean, noisy)
    exact = PoissonGaussian(gain, 0, (sigma / 255) ** 2, 0, 0.1, 0, 0.5, 0, 3)
    for noise in (exact, poisson_gaussian(noisy)):
        found = sure(linear, noisy, noise)
        assert found.psnr == pytest.approx(np.mean(-10 * np.log10(true)), abs=0.1)
    wrong = sure(linear, noisy, Level(2 * SIGMA / 255, 0, 0, 0, 0, 1))
    assert abs(wrong.psnr - found.psnr) > 1


@pytest.mark.parametrize("channels", [1, 3])
def test_few_photons_are_not_gaussian(channels):
    """Of f(y) = y² a derivative gives 2a²·mean(x) too much: a photon is no small step at λ 10."""
    clean = [scene(channels, texture=share) for share in (0.0, 0.2, 0.4)]
    noisy = [mixed(image, 0.1, 3, seed) for seed, image in enumerate(clean)]
    true = np.mean(errors(np.square, clean, noisy))
    found = sure(np.square, noisy, PoissonGaussian(0.1, 0, (3 / 255) ** 2, 0, 0.2, 0, 0.4, 0, 3))
    assert found.mse == pytest.approx(true, abs=float(0.006 * np.mean(clean)))


def test_seeds_are_stateless():
    noisy = [gaussian(scene(), SIGMA, seed) for seed in range(3)]
    first, again, other = (sure(threshold, noisy, EXACT, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first.mse != other.mse
    assert sure(threshold, noisy[:1], EXACT).mse == pytest.approx(sure(threshold, iter(noisy[:1]), EXACT).mse)


def test_correlated_noise_makes_it_not_valid():
    noisy = [blurred(scene(), SIGMA)]
    found = sure(linear, noisy, EXACT, correlation(noisy))
    assert not found.valid
    assert "not valid: noise is correlated, 0.2" in found.notes[0]
    assert sure(linear, [gaussian(scene(), SIGMA)], EXACT, correlation([gaussian(scene(), SIGMA)])).valid
    assert "was not measured" in sure(linear, noisy, EXACT).notes[0]
    small = [gaussian(scene(3, (64, 64)), SIGMA)]
    assert "too little flat area" in sure(linear, small, EXACT, correlation(small)).notes[0]


@pytest.mark.parametrize("noise", [gaussian, blurred], ids=["white", "correlated"])
def test_repeated_shots_against_the_truth(noise):
    clean = [scene(texture=share) for share in (0.0, 0.4)]
    shots = [[noise(image, SIGMA, 10 * number + each) for each in range(4)] for number, image in enumerate(clean)]
    true = errors(threshold, clean, [shot[0] for shot in shots])
    found = umse(threshold, shots)
    assert abs(found.mse - np.mean(true)) < 4 * found.mse_error
    assert found.mse_error < 0.05 * np.mean(true)
    assert found.psnr == pytest.approx(np.mean(-10 * np.log10(true)), abs=0.1)
    assert found.before == pytest.approx(-20 * np.log10(SIGMA / 255), abs=0.1)


def test_the_error_of_repeated_shots_is_that_of_other_draws():
    clean = scene(1, (128, 128), texture=0)
    found = [umse(linear, [[gaussian(clean, SIGMA, [seed, each]) for each in range(4)]]) for seed in range(30)]
    true = np.mean([errors(linear, [clean], [gaussian(clean, SIGMA, [seed, 0])])[0] for seed in range(30)])
    spread = np.std([each.mse - true for each in found])
    assert np.mean([each.mse_error for each in found]) == pytest.approx(spread, rel=0.5)


def test_the_error_of_sure_is_that_of_other_draws():
    clean = scene(1, (128, 128), texture=0)
    noisy = [gaussian(clean, SIGMA, seed) for seed in range(30)]
    found = [sure(threshold, [image], EXACT) for image in noisy]
    spread = np.std([each.mse - true for each, true in zip(found, errors(threshold, [clean] * 30, noisy), strict=True)])
    assert np.mean([each.mse_error for each in found]) == pytest.approx(spread, rel=0.5)


def test_what_cannot_be_measured_is_refused():
    noisy = gaussian(scene(), SIGMA)
    for meter, given in ((lambda f, y: sure(f, y, EXACT), [noisy]), (umse, [[noisy] * 4])):
        with pytest.raises(ValueError, match="wanted the same shape"):
            meter(lambda image: image[:-1], given)
        with pytest.raises(ValueError, match="wanted one at least"):
            meter(linear, [])
    with pytest.raises(ValueError, match="3 shots of a scene; wanted 4"):
        umse(linear, [[noisy] * 3])
    with pytest.raises(ValueError, match="wanted one"):
        umse(linear, [[noisy] * 3 + [noisy[:-8]]])


def test_an_error_of_nothing_is_said():
    found = sure(lambda image: scene(texture=0), [scene(texture=0)], Level(0, 0, 0, 0, 0, 1))
    assert found.psnr == pytest.approx(90)
    assert "counted as 90 dB" in found.notes[-1]


def test_an_image_whose_error_cannot_be_told_does_not_lift_the_mean():
    """MSE 2e-3 and −1e-3: of both 5e-4, 33 dB, not the mean of 27 and 90 dB."""
    found = gain(np.array([[2e-3, 1e-4, 1e-2, 1e-4], [-1e-3, 1e-4, 1e-2, 1e-4]]))
    assert found.psnr == pytest.approx(-10 * np.log10(5e-4))
    assert found.psnr_error == pytest.approx(10 / np.log(10) * 1e-4 / np.sqrt(2) / 5e-4)
    assert "1 image(s) with an error not above 0: the PSNR is that of the mean error" in found.notes


def test_values_near_cut_off_noise_do_not_count():
    """8 bits whose left half lies around black: there the noise is less than is told, and the error would be too."""
    clean = scene() - np.where(np.arange(384) < 192, 0.3, 0)[None, :, None].astype(np.float32)
    noisy = gaussian(clean, SIGMA).clip(0, 2)
    counts = uncut(noisy, EXACT.variance)
    assert counts[clean > 4 * SIGMA / 255].mean() > 0.8
    assert counts[clean < SIGMA / 255].mean() < 0.01
    assert 0.3 < counts.mean() < 0.7
    found = sure(linear, [noisy], EXACT)
    assert found.mse == pytest.approx(np.mean((linear(noisy) - clean)[counts] ** 2), rel=0.05)
    assert "lie where noise is cut off" in found.notes[-1]
    whole = sure(linear, [gaussian(scene(), SIGMA)], EXACT)
    assert whole.mse_error < found.mse_error < 3 * whole.mse_error
    with pytest.raises(ValueError, match="nearly all values are cut off"):
        sure(linear, [np.zeros_like(noisy) + (np.arange(384) == 380)[None, :, None] * noisy], EXACT)
