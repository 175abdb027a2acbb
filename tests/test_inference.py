import keras
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

import n2n_tf
from n2n_tf.data.images import find_images
from n2n_tf.data.readers import read
from n2n_tf.evaluation.metrics import psnr
from n2n_tf.evaluation.pictures import CAPTION, side_by_side
from n2n_tf.evaluation.protocol import paper_psnr
from n2n_tf.networks import unet

RNG = np.random.default_rng(0)


def identity(channels):
    image = keras.Input((None, None, channels))
    return keras.Model(image, keras.layers.Activation("linear")(image))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 3), (33, 65, 3), (64, 32, 3), (2, 5, 9, 3)])
def test_an_identity_gives_the_image_back(shape, dtype):
    image = RNG.random(shape)
    image = (image * np.iinfo(dtype).max).astype(dtype) if np.dtype(dtype).kind == "u" else image.astype(dtype)
    before = image.copy()
    denoised = n2n_tf.denoise(identity(3), image)
    assert denoised.dtype == dtype
    np.testing.assert_allclose(denoised, image, rtol=1e-6)
    np.testing.assert_array_equal(image, before)
    if np.dtype(dtype).kind == "u":
        np.testing.assert_array_equal(denoised, image)


def test_gray_without_a_channel_axis():
    image = RNG.random((10, 20)).astype(np.float32)
    np.testing.assert_array_equal(n2n_tf.denoise(identity(1), image), image)


def test_padding_is_reflection_and_cropped_away():
    network, image = unet(3, 4, seed=0), RNG.random((40, 70, 3), np.float32)
    padded = np.pad(image, ((0, 24), (0, 26), (0, 0)), "reflect")
    np.testing.assert_array_equal(n2n_tf.denoise(network, image), np.asarray(network(padded[None]))[0, :40, :70])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4)), r"shape \(4, 4\); this network takes"),
        (np.zeros((4, 4, 1)), r"takes non-empty \[H, W, 3\]"),
        (np.zeros((0, 4, 3)), "non-empty"),
        (np.zeros((1, 1, 4, 4, 3)), "shape"),
        (np.zeros((4, 4, 3), np.int32), "is int32; wanted uint8, uint16 or float"),
    ],
)
def test_arrays_that_do_not_fit(image, message):
    with pytest.raises(ValueError, match=message):
        n2n_tf.denoise(identity(3), image)


def test_psnr_equals_scikit_images():
    clean, image = RNG.random((2, 20, 30, 3))
    assert psnr(image, clean) == pytest.approx(peak_signal_noise_ratio(clean, image, data_range=1))
    assert psnr(clean, clean) == 100
    assert psnr(clean, clean + 1e-3) == pytest.approx(60)


def test_psnr_equals_the_authors_code(reference):
    case = np.load(reference / "metrics.npz")
    assert psnr(case["distorted"], case["reference"], 255) == pytest.approx(float(case["psnr"]), abs=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_stand_side_by_side_over_their_captions(channels):
    images = {"left": np.full((40, 60, channels), -1.0), "right": np.full((40, 60, channels), 0.5)}
    sheet = np.asarray(side_by_side(images))
    assert sheet.shape == (40 + CAPTION, 120, 3)
    assert not sheet[:40, :60].any()
    assert (sheet[:40, 60:] == 128).all()
    assert sheet[40:].min() < 64  # there is a caption


def test_the_papers_protocol_gives_the_noise_its_psnr():
    images = [RNG.integers(0, 255, (50, 70, 3), np.uint8), RNG.integers(0, 255, (64, 40, 3), np.uint8)]
    sides = []

    def denoiser(square):
        sides.append(square.shape)
        return square

    noisy, rounded = paper_psnr(denoiser, images, 25.0)
    assert sides == [(1, 96, 96, 3), (1, 64, 64, 3)]
    assert noisy == pytest.approx(20 * np.log10(255 / 25), abs=0.15)
    assert rounded > noisy  # clipping helps


def test_the_protocol_gives_the_authors_figure_for_their_weights(reference, authors_unet):
    """Their code, after a short training: 19.629 dB on set14 with sigma 25."""
    folder = reference.parent / "data" / "set14"
    if not folder.is_dir():
        pytest.skip("the authors' test set is not beside this checkout (../shared/data/set14)")
    images = [read(page) for page in find_images([str(folder)], 3).pages]
    noisy, denoised = paper_psnr(authors_unet("mini_official_gauss25.pth"), images, 25.0)
    assert noisy == pytest.approx(20.2, abs=0.05)
    assert denoised == pytest.approx(19.629, abs=0.01)
