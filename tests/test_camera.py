import numpy as np
import pytest
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

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


@pytest.fixture
def photographs(tmp_path):
    for name, image in (("a", data.astronaut()), ("b", data.coffee())):
        Image.fromarray(image[64:192, 96:256]).save(tmp_path / f"{name}.png")
    return tmp_path


def test_pictures_are_written_as_they_are_scored(photographs):
    camera.write(photographs, 0.004, 0.004, 2, photographs / "out")
    written = {path.relative_to(photographs / "out").as_posix() for path in photographs.glob("out/*/*.png")}
    assert written == {f"{kind}/{name}.png" for kind in ("demosaiced", "jpeg", "clean") for name in "ab"}
    for kind, jpeg in camera.PICTURES.items():
        for name, (noisy, clean) in zip("ab", camera.camera_pairs(photographs, 0.004, 0.004, 2, jpeg), strict=True):
            read = [np.float32(Image.open(photographs / f"out/{each}/{name}.png")) / 255 for each in (kind, "clean")]
            np.testing.assert_allclose(read[0], noisy, atol=1e-6)
            np.testing.assert_allclose(read[1], clean, atol=0.5001 / 255)


def test_a_score_is_of_the_denoised_against_the_clean(photographs):
    pairs = list(camera.camera_pairs(photographs, 0.004, 0.004, 2, jpeg=False))
    means = np.mean([peak_signal_noise_ratio(x, 0.5 * y, data_range=1) for y, x in pairs])
    before = np.mean([peak_signal_noise_ratio(x, y, data_range=1) for y, x in pairs])
    row = [cell.strip() for cell in camera.score(lambda image: 0.5 * image, pairs).split("|")]
    assert (row[0], row[2]) == (f"{before:.2f}", f"{means:.2f}")
    assert row[4] == f"{means - before:+.2f}"
    assert row[6] in ("yes", "no")
