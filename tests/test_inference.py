import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest
from conftest import identity

import n2n_tf
from n2n_tf.inference import Denoiser, save_denoiser
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
        (np.zeros((4, 4, 3), np.int32), r"is int32; this denoiser takes intensities in \[0, 1\], uint8 or uint16: say"),
        (np.zeros((4, 4, 3), np.int64), "is int64; wanted integers of at most 32 bits"),
        (np.full((4, 4, 3), np.nan), "no pixel that is a number"),
        (np.full((4, 4, 3), -np.inf), "no pixel that is a number"),
        (np.full((4, 4, 3), 255.0), "float pixels up to 255; wanted intensities"),
    ],
)
def test_arrays_that_do_not_fit(image, message):
    with pytest.raises(ValueError, match=message):
        n2n_tf.denoise(identity(3), image)


def test_weights_are_stored_as_keras_does(tmp_path):
    network = unet(1, 4, seed=0)
    save_denoiser(network, tmp_path / "a.keras")
    network.save_weights(tmp_path / "b.weights.h5")
    found = []
    for name in ("a", "b"):
        with h5py.File(tmp_path / f"{name}.weights.h5") as file:
            arrays = {}
            file.visititems(
                lambda name, item, arrays=arrays: arrays.update({name: item[()]} if hasattr(item, "shape") else {})
            )
            found.append(arrays)
    assert found[0].keys() == found[1].keys()
    assert len(found[0]) == len(network.weights)
    for name, array in found[0].items():
        np.testing.assert_array_equal(array, found[1][name])
    assert len(list(tmp_path.iterdir())) == 3


FULL_DISK = """
import pathlib, resource, sys
from n2n_tf.inference import save_denoiser
from n2n_tf.networks import unet
network, folder = unet(1, 4, seed=0), pathlib.Path(sys.argv[1])
save_denoiser(network, folder / "a.keras")
files = {each.name: each.read_bytes() for each in folder.iterdir()}
sizes = sorted(map(len, files.values()))
assert len(sizes) == 2
for limit in (1000, sizes[0] // 2, sizes[0] - 1, sizes[1] - 1):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        save_denoiser(network, folder / "a.keras")
    except OSError as error:
        print(error.strerror)
    assert files == {each.name: each.read_bytes() for each in folder.iterdir()}
"""


def test_a_full_disk_is_an_ordinary_error(tmp_path):
    """A limit on the size of files stands in for the disk. HDF5 itself answers it with SIGSEGV."""
    pytest.importorskip("resource", reason="the limit is the operating system's")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["File too large"] * 4


def test_results_outside_the_range_are_clipped_in_integers_and_kept_in_floats():
    image = keras.Input((None, None, 1))
    network = keras.Model(image, keras.layers.Rescaling(2.0, -0.5)(image))
    values = np.array([0, 40, 100, 200, 255])
    for dtype in (np.uint8, np.uint16):
        peak = np.iinfo(dtype).max
        noisy = (values[None, :, None] * (peak // 255)).astype(dtype)
        expected = np.floor(np.clip(2 * (values / 255) - 0.5, 0, 1) * peak + 0.5)
        np.testing.assert_array_equal(n2n_tf.denoise(network, noisy)[0, :, 0], expected)
    floats = np.float32(values / 255)[None, :, None]
    np.testing.assert_allclose(n2n_tf.denoise(network, floats), 2 * floats - 0.5, atol=1e-6)


def test_a_gray_image_through_a_colour_network_is_the_mean_of_its_channels():
    image, weights = keras.Input((None, None, 3)), np.float32([1, 0.5, 0.25])
    conv = keras.layers.Conv2D(3, 1, use_bias=False)
    network = keras.Model(image, conv(image))
    conv.set_weights([np.diag(weights)[None, None]])
    gray = RNG.random((5, 9, 1), np.float32)
    found = Denoiser(network, any_channels=True)(gray)
    np.testing.assert_allclose(found, gray * weights.mean(), rtol=1e-6)
