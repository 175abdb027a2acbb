import numpy as np
import pytest
from skimage import data

from benchmarks import camera
from n2n_tf.meter.correlation import correlation
from n2n_tf.meter.jpeg_steps import jpeg_steps
from n2n_tf.meter.projector import FAR


def test_an_even_scene_comes_back():
    light = np.broadcast_to(np.float32([0.2, 0.5, 0.8]), (16, 18, 3))
    np.testing.assert_allclose(camera.demosaiced(camera.mosaicked(light)), light, atol=1e-6)
    np.testing.assert_allclose(camera.rendered(camera.linear(light)), light, atol=1e-6)


def test_noise_of_the_sensor_is_that_of_its_model():
    gray = np.full((256, 256, 3), 0.5, np.float32)
    noisy, clean = camera.camera_pair(gray, 1e-3, 1e-3, np.random.default_rng(0), jpeg=False)
    light, slope = camera.linear(np.float32(0.5)), 2.4 / 1.055 * ((0.5 + 0.055) / 1.055) ** 1.4
    green = (noisy - clean)[1::2, ::2, 1]  # where the sensor had green: not interpolated
    assert green.std() == pytest.approx(np.sqrt(1e-3 * light + 1e-6) / slope, rel=0.02)


def test_bilinear_demosaicing_correlates_noise_as_computed():
    """Green: half the pixels are means of four, so each pair of neighbours shares a quarter; mean variance 5/8."""
    gray = np.full((512, 512, 3), 0.5, np.float32)
    noisy, _ = camera.camera_pair(gray, 1e-3, 1e-3, np.random.default_rng(0), jpeg=False)
    found = correlation([noisy[..., 1]])
    assert found.rho[0, FAR + 1] == pytest.approx(0.25 / 0.625, abs=0.03)
    assert found.correlated


def test_the_cameras_pictures_are_seen_through():
    noisy, clean = camera.camera_pair(np.float32(data.astronaut()) / 255, 0.004, 0.004, np.random.default_rng(0))
    assert noisy.shape == clean.shape
    assert correlation([noisy]).correlated
    assert jpeg_steps([noisy])
