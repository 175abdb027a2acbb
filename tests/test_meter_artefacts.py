import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from benchmarks.camera import camera_pair
from n2n_tf.meter import ARTEFACTS
from tests.conftest import SHARED
from tests.scenes import gaussian, mixed, rounded, scene

KODAK = SHARED / "data/kodak"
PHOTOGRAPHS = [data.astronaut, data.coffee, data.chelsea]


def jpeg(image, quality):
    stream = io.BytesIO()
    Image.fromarray(np.uint8(image.clip(0, 1) * 255 + 0.5)).save(stream, "JPEG", quality=quality)
    return np.float32(Image.open(stream)) / 255


def spotted(image, channels):
    """50 hot values, at the same places whatever the image."""
    random = np.random.default_rng(5)
    places = random.integers(1, image.shape[0] - 1, 50), random.integers(1, image.shape[1] - 1, 50)
    hot = image.copy()
    hot[(*places, random.choice(channels, 50))] += 0.8
    return hot


def photograph(sigma=10):
    return gaussian(np.float32(data.astronaut()) / 255, sigma)


def wave(period):
    return np.float32(5 / 255 * np.cos(np.arange(512) * 2 * np.pi / period))[:, None, None]


MADE = {
    "clipping": lambda: np.clip(gaussian(scene(), 50), 0.1, 1),
    "quantisation": lambda: np.round(photograph(5) * 20) / np.float32(20),
    "jpeg_grid": lambda: jpeg(photograph(), 60),
    "jpeg_steps": lambda: jpeg(photograph(), 90),
    "periodic_lines": lambda: photograph() + wave(7.3),
    "hot_pixels": lambda: spotted(photograph(), 3),
    "repeated_pixels": lambda: photograph()[:256, :256].repeat(2, 0).repeat(2, 1),
}
CLEAN = {
    "white": lambda image: gaussian(image, 25),
    "weak": lambda image: gaussian(image, 5),
    "photons": lambda image: mixed(image, 1 / 30, 0),
    "few photons": lambda image: mixed(image, 1 / 10, 0),
    "of 8 bits": lambda image: np.round(gaussian(0.3 + image * 0.4, 10) * 255) / np.float32(255),
}


def test_each_artefact_has_a_made_case():
    assert set(MADE) == set(ARTEFACTS)


@pytest.mark.parametrize("name", MADE)
def test_a_made_artefact_is_found_and_said(name):
    found = ARTEFACTS[name]([np.float32(MADE[name]())])
    assert found
    assert found.name == name
    assert found.value > found.threshold
    assert found.notes


@pytest.mark.parametrize("name", ARTEFACTS)
@pytest.mark.parametrize("noise", CLEAN)
def test_photographs_with_noise_have_none(name, noise):
    images = [CLEAN[noise](np.float32(picture()) / 255) for picture in PHOTOGRAPHS]
    found = ARTEFACTS[name](images)
    assert not found, found
    assert found.images == 3
    assert not found.notes


def test_the_right_lines_are_named():
    image = photograph()
    down, right = (ARTEFACTS["periodic_lines"]([each]) for each in (image + wave(9), image + wave(9).swapaxes(0, 1)))
    assert down.notes == ("rows repeat every 8.95 pixels over the whole image",)  # the nearest of 510 rows: 510/57
    assert right.notes == ("columns repeat every 8.95 pixels over the whole image",)


def test_a_gray_hot_pixel_is_one_that_returns():
    scenes = [gaussian(np.float32(picture()[:256, :256, :1]) / 255, 10) for picture in PHOTOGRAPHS]
    assert not ARTEFACTS["hot_pixels"](scenes)
    found = ARTEFACTS["hot_pixels"](spotted(image, 1) for image in scenes)
    assert found.present == 3
    assert found.value == pytest.approx(50 / 256**2, rel=0.2)  # some stand beside an edge


@pytest.mark.parametrize("picture", PHOTOGRAPHS)
def test_noise_that_a_camera_stretched_is_not_hot(picture):
    """It is shared by neighbours and skewed: its σ at high frequencies is a quarter of what it is."""
    random = np.random.default_rng(0)
    noisy, _ = camera_pair(np.float32(picture()) / 255, 0.004, 0.004, random, jpeg=False)
    assert not ARTEFACTS["hot_pixels"]([noisy])
    places = tuple(random.integers(1, side - 1, 200) for side in noisy.shape[:2])
    noisy[(*places, random.integers(0, 3, 200))] = random.uniform(0.9, 1, 200)
    found = ARTEFACTS["hot_pixels"]([noisy])
    assert found
    assert 0.3 < found.value * noisy.size / 200 < 1.05  # some stand in bright surroundings, or beside an edge


@pytest.mark.parametrize("sigma", [5, 15])
def test_hot_pixels_of_white_noise_are_found(sigma):
    """One value in 10⁴, near white."""
    random = np.random.default_rng(1)
    noisy = gaussian(np.float32(data.coffee()) / 255, sigma)
    hot = random.random(noisy.shape) < 1e-4
    noisy[hot] = random.uniform(0.9, 1, hot.sum())
    found = ARTEFACTS["hot_pixels"]([noisy])
    assert found
    assert found.value < 1.05 * hot.mean()


def test_clipping_counts_values_at_the_ends():
    noisy = gaussian(np.full((128, 128, 3), 0.05), 25)
    cut = np.maximum(noisy, 0)
    assert ARTEFACTS["clipping"]([cut]).value == pytest.approx(np.mean(noisy <= 0))
    assert ARTEFACTS["clipping"]([noisy]).value == 0


def test_quantisation_is_in_units_of_sigma():
    image = rounded(gaussian(0.2 + 0.5 * scene(texture=0), 2))
    assert ARTEFACTS["quantisation"]([image]).value == pytest.approx(1 / np.sqrt(4 + 1 / 12), rel=0.05)


@pytest.mark.skipif(not KODAK.is_dir(), reason="Kodak's images are not beside this checkout (../shared/data/kodak)")
@pytest.mark.parametrize("name", ARTEFACTS)
def test_kodak_with_white_noise_has_none(name):
    clean = (np.float32(Image.open(path)) / 255 for path in sorted(KODAK.glob("*.png"))[::4])
    assert not ARTEFACTS[name](gaussian(image, 15) for image in clean)
