import warnings

import numpy as np
import pytest
from PIL import Image
from skimage import data

from n2n_tf.meter.correlation import correlation
from n2n_tf.meter.projector import FAR, LAGS, SIDE, correlation_of
from tests.conftest import SHARED
from tests.scenes import RHO, blurred, gaussian, mixed, scene

KODAK = SHARED / "data/kodak"


def exact_products(law):
    """Mean products of the residuals of noise with the covariance law(down, right): dense matrices and loops."""
    rows, columns = (each.ravel() for each in np.mgrid[:SIDE, :SIDE])
    covariance = law(rows[:, None] - rows, columns[:, None] - columns)
    design = np.stack([np.ones(SIDE**2), rows, columns], 1)
    residual = np.eye(SIDE**2) - design @ np.linalg.pinv(design)
    left = residual @ covariance @ residual
    return np.array(
        [left[(rows[:, None] - rows == -down) & (columns[:, None] - columns == -right)].mean() for down, right in LAGS]
    )


def short(down, right):
    return 0.3 * (np.maximum(0, 1 - abs(down) / 5) * np.maximum(0, 1 - abs(right) / 6))


@pytest.mark.parametrize("law", [lambda y, x: 0.3 * ((y == 0) & (x == 0)), short], ids=["white", "of reach 5"])
def test_the_projector_is_undone_exactly(law):
    products = exact_products(law)
    wanted = [law(np.array(down), np.array(right)) / 0.3 for down, right in LAGS]
    np.testing.assert_allclose(correlation_of(products), wanted, atol=1e-9)
    assert np.abs(products / products[0] - wanted).max() > 0.01  # left as they are, they would be wrong


def test_white_noise_is_white():
    found = correlation([gaussian(scene(), 25, seed) for seed in range(2)])
    others = np.delete(found.rho.ravel(), FAR)
    assert found.rho[0, FAR] == pytest.approx(1)
    assert np.abs(others).max() < 0.03
    assert found.correlated is False
    assert found.enough
    assert found.sigma == pytest.approx(25 / 255, rel=0.03)
    off = found.channels[~np.eye(3, dtype=bool)]
    assert np.abs(off).max() < 0.03


@pytest.mark.parametrize("channels", [1, 3])
def test_blurred_noise(channels):
    found = correlation([blurred(scene(channels), 15, seed) for seed in range(3)])
    wanted = np.outer(RHO, RHO)  # the kernel is separable
    np.testing.assert_allclose(found.rho[:3, FAR : FAR + 3], wanted, atol=0.04)
    np.testing.assert_allclose(found.rho[:3, FAR - 2 : FAR + 1], wanted[:, ::-1], atol=0.04)
    assert np.abs(found.rho[4:]).max() < 0.03
    assert found.correlated is True
    assert found.sigma == pytest.approx(15 / 255, rel=0.05)
    assert found.error[0, FAR + 1] < 0.03


def test_one_direction_is_not_the_other():
    found = correlation([blurred(scene(), 15, axes=(1,))])
    assert found.rho[0, FAR + 1] == pytest.approx(RHO[1], abs=0.04)
    assert found.rho[1, FAR] == pytest.approx(0, abs=0.04)
    assert found.strongest[2] == (0, 1)


def test_noise_that_grows_with_brightness_is_white():
    found = correlation([mixed(scene(), 1 / 30, 3, seed) for seed in range(2)])
    assert np.abs(np.delete(found.rho.ravel(), FAR)).max() < 0.03


def test_between_channels():
    mix = np.array([[1, 0.5, 0], [0, np.sqrt(0.75), 0.3], [0, 0, np.sqrt(0.91)]])  # columns of unit energy
    noise = np.random.default_rng(0).normal(size=(320, 384, 3)) @ mix * 15 / 255
    found = correlation([(scene(texture=0) + noise).astype(np.float32)])
    np.testing.assert_allclose(found.channels, mix.T @ mix, atol=0.05)
    assert np.all(found.channels_error[0, 1:] < 0.05)


@pytest.mark.parametrize("side", [17, 30, 41])
def test_few_blocks_are_no_warning_of_numpy(side):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert correlation([gaussian(scene(3, (side, side)), 15)]).enough is False


def test_errors_cover_what_they_should():
    clean = scene(1, texture=0)
    found = [correlation([blurred(clean, 15, seed)]) for seed in range(12)]
    scores = [(each.rho[0, FAR + 1] - RHO[1]) / each.error[0, FAR + 1] for each in found]
    assert np.sqrt(np.mean(np.square(scores))) < 2
    assert found[0].error[0, FAR + 1] < 0.08


def test_too_little_flat_area_is_said_and_not_judged():
    found = correlation([gaussian(scene(3, (96, 96)), 15)])  # 121 blocks, a quarter of them texture
    assert not found.enough
    assert found.correlated is None
    assert "too little flat area" in found.notes[0]


@pytest.mark.parametrize("picture", [data.astronaut, data.coffee, data.chelsea, data.camera])
@pytest.mark.parametrize("sigma", [10, 25])
def test_photographs_with_white_noise_raise_no_alarm(picture, sigma):
    assert not correlation([gaussian(np.atleast_3d(np.float32(picture()) / 255), sigma)]).correlated


@pytest.mark.parametrize("picture", [data.astronaut, data.chelsea])
def test_photographs_with_blurred_noise_raise_one(picture):
    found = correlation([blurred(np.float32(picture()) / 255, 15)])
    assert found.correlated
    assert found.rho[0, FAR + 1] == pytest.approx(RHO[1], abs=0.05)


@pytest.mark.skipif(not KODAK.is_dir(), reason="Kodak's images are not beside this checkout (../shared/data/kodak)")
def test_kodak_white_and_blurred():
    clean = [np.float32(Image.open(path)) / 255 for path in sorted(KODAK.glob("*.png"))[::5]]
    white = [gaussian(image, 5, seed) for seed, image in enumerate(clean)]
    assert not any(correlation([image]).correlated for image in white)  # one of them is read as .23: too few blocks
    pooled = correlation(white)
    assert pooled.rho[0, FAR + 1] == pytest.approx(0, abs=0.05)
    found = correlation(blurred(image, 15, seed) for seed, image in enumerate(clean))
    assert found.rho[0, FAR + 1] == pytest.approx(RHO[1], abs=0.05)
    assert found.correlated
