import numpy as np
import pytest
from conftest import identity

import n2n_tf
from n2n_tf.networks import unet

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2", np.float32, np.float64])
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
        (np.full((4, 4, 3), np.nan), "infinite or not a number"),
        (np.full((4, 4, 3), -np.inf), "infinite or not a number"),
        (np.full((4, 4, 3), 255.0), "float pixels up to 255; wanted intensities"),
    ],
)
def test_arrays_that_do_not_fit(image, message):
    with pytest.raises(ValueError, match=message):
        n2n_tf.denoise(identity(3), image)
