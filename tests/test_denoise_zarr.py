"""OME-Zarr denoised: the pixels are the denoiser's on whole planes, all else is the source's."""

import itertools

import keras
import numpy as np
import pytest

from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.inference import Denoiser, in_range
from n2n_tf.networks import unet
from n2n_tf.tasks import zarr_blocks, zarr_work
from n2n_tf.tasks.denoise_zarr import denoise_zarr
from n2n_tf.value_range import ValueRange
from tests.conftest import identity, negative
from tests.zarrs import RNG, change, chunk_files, documents, pixels, write_image, zarr

LAYOUTS = {
    "v3 in shards": (3, {"chunks": (1, 1, 16, 16), "shards": (1, 2, 64, 32)}),
    "v3 blosc": (3, {"chunks": (2, 1, 40, 50), "compressors": zarr.codecs.BloscCodec(cname="lz4"), "fill_value": 7}),
    "v3 dots": (3, {"chunks": (1, 1, 64, 64), "chunk_key_encoding": {"name": "default", "separator": "."}}),
    "v2 dots": (2, {"chunks": (1, 1, 32, 64), "compressors": None}),
    "v2 slashes": (2, {"chunks": (1, 3, 32, 64), "chunk_key_encoding": {"name": "v2", "separator": "/"}}),
    "v2 big-endian": (2, {"chunks": (1, 1, 32, 64), "order": "F"}),
}


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(zarr_blocks, "LONGEST", 128)


@pytest.fixture(scope="module")
def network():
    """A U-Net of lively weights."""
    network = unet(1, 4, seed=0)
    network.get_layer("nin_c").kernel.assign(RNG.normal(0, 0.3, network.get_layer("nin_c").kernel.shape))
    network.get_layer("nin_c").bias.assign([0.4])
    return network


def means(data, shape):
    """Of 2×2 pixels, or of those that there are."""
    odd = [(0, 0)] * (data.ndim - 2) + [(0, 2 * n - m) for n, m in zip(shape[-2:], data.shape[-2:], strict=True)]
    padded = np.pad(data.astype(float), odd, constant_values=np.nan)
    blocks = padded.reshape(*data.shape[:-2], shape[-2], 2, shape[-1], 2)
    return np.nanmean(blocks, axis=(-3, -1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_image_comes_back_but_for_the_pixels(layout, small_blocks, tmp_path):
    version, stored = LAYOUTS[layout]
    data = pixels(2, 3, 201, 150, dtype=">u2" if "endian" in layout else "uint16")
    source = write_image(tmp_path / "in" / "a.zarr", data, version, "tcyx", **stored)
    denoise_zarr(Denoiser(negative(1)), str(source), str(tmp_path / "out.zarr"))
    assert documents(tmp_path / "out.zarr") == documents(source)
    assert chunk_files(tmp_path / "out.zarr").keys() == chunk_files(source).keys()
    levels = [zarr.open_array(tmp_path / "out.zarr" / str(number))[...] for number in range(3)]
    np.testing.assert_array_equal(levels[0], 65535 - data)
    for larger, smaller in itertools.pairwise(levels):
        np.testing.assert_array_equal(smaller, np.rint(means(larger, smaller.shape)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.zarr"]


@pytest.mark.parametrize("memory", [0.9, 8])
@pytest.mark.parametrize("chunk", [100, 256])
def test_blocks_give_what_whole_planes_give(chunk, memory, network, small_blocks, tmp_path):
    """Blocks that are no multiples of the network's cells, odd sizes."""
    data = pixels(2, 801, 619)
    source = write_image(tmp_path / "a.zarr", data, levels=1, chunks=(1, chunk, chunk))
    denoise_zarr(Denoiser(network, memory=memory), str(source), str(tmp_path / "out.zarr"))
    result = zarr.open_array(tmp_path / "out.zarr" / "0")[...].astype(int)
    whole = np.stack([Denoiser(network, memory=100)(plane) for plane in data])
    assert np.abs(result - whole).max() <= 1  # a rounding of the last digit may turn over


def test_a_smaller_margin_would_show(network, small_blocks, monkeypatch, tmp_path):
    data = pixels(300, 300)
    source = write_image(tmp_path / "a.zarr", data, levels=1, chunks=(128, 128))
    widened = zarr_work.widened
    monkeypatch.setattr(zarr_work, "widened", lambda region, margin, *rest: widened(region, 32, *rest))
    denoise_zarr(Denoiser(network), str(source), str(tmp_path / "out.zarr"))
    result = zarr.open_array(tmp_path / "out.zarr" / "0")[...].astype(int)
    assert np.abs(result - Denoiser(network)(data)).max() > 1


def swapped():
    """A network of two channels that gives each the other's pixels."""
    image = keras.Input((None, None, 2))
    network = keras.Model(image, keras.layers.Conv2D(2, 1, use_bias=False)(image))
    network.set_weights([np.float32([[[[0, 1], [1, 0]]]])])
    return network


def test_a_network_of_as_many_channels_takes_them_together(small_blocks, tmp_path):
    data = pixels(2, 2, 3, 150, 130)
    source = write_image(tmp_path / "a.zarr", data, levels=2, chunks=(1, 1, 2, 32, 32))
    denoise_zarr(Denoiser(swapped()), str(source), str(tmp_path / "out.zarr"))
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "out.zarr" / "0")[...], data[:, ::-1])


@pytest.mark.parametrize(("shape", "channels"), [((3, 50, 60), 2), ((50, 60), 3), ((1, 50, 60), 3)])
def test_other_numbers_of_channels_are_refused(shape, channels, tmp_path):
    source = write_image(tmp_path / "a.zarr", pixels(*shape), axes="cyx"[-len(shape) :], levels=1)
    count = shape[0] if len(shape) == 3 else 1
    with pytest.raises(UnusableImageError, match=f"{count} channels; this model takes {channels}: use one of as many"):
        denoise_zarr(Denoiser(identity(channels), any_channels=True), str(source), str(tmp_path / "out.zarr"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize(("dtype", "fill"), [("uint16", 0), ("uint16", 500), ("float32", 0.5)])
def test_chunks_without_data_stay_so(dtype, fill, small_blocks, tmp_path):
    """Stored or not. The rest is denoised with the fill value around it."""
    data = np.full((200, 300), fill, dtype)
    peak = 65535 if dtype == "uint16" else 1
    data[40:70, 64:200] = pixels(30, 136, dtype=dtype, most=peak)
    source = write_image(tmp_path / "a.zarr", data, levels=1, chunks=(32, 32), fill_value=fill)
    before = chunk_files(source).keys()
    denoise_zarr(Denoiser(negative(1)), str(source), str(tmp_path / "out.zarr"))
    expected = np.full_like(data, fill)
    expected[32:96, 64:224] = peak - data[32:96, 64:224]
    np.testing.assert_allclose(zarr.open_array(tmp_path / "out.zarr" / "0")[...], expected, rtol=1e-6)
    assert chunk_files(tmp_path / "out.zarr").keys() == before
    assert len(before) == 10


def test_where_no_pixel_is_a_number_nothing_is_denoised(small_blocks, tmp_path):
    data = np.concatenate([RNG.random((128, 100)), np.zeros((128, 100)), np.full((128, 100), np.nan)]).astype("float32")
    source = write_image(tmp_path / "a.zarr", data, levels=1, chunks=(32, 32), fill_value=0)
    denoise_zarr(Denoiser(negative(1)), str(source), str(tmp_path / "out.zarr"))
    expected = np.concatenate([1 - data[:128], data[128:]])
    np.testing.assert_allclose(zarr.open_array(tmp_path / "out.zarr" / "0")[...], expected, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_labels_are_left_out_and_said_and_consolidated_metadata_made_anew(tmp_path, caplog):
    data = pixels(40, 50)
    for version in (2, 3):
        source = write_image(tmp_path / f"{version}.zarr", data, version, levels=2, chunks=(16, 16))
        zarr.open_group(source).create_group("labels").create_array("cells", shape=(40, 50), dtype="uint8")
        zarr.consolidate_metadata(source)
        caplog.clear()
        denoise_zarr(Denoiser(identity(1)), str(source), str(tmp_path / f"out{version}.zarr"))
        assert [each for each in caplog.messages if "labels" in each] == [f"{source}: its labels are left out"]
        result = zarr.open_consolidated(tmp_path / f"out{version}.zarr")
        assert sorted(result.members()) == [(name, result[name]) for name in "01"]
        assert dict(result.attrs) == dict(zarr.open_group(source).attrs)


def test_chunks_larger_than_memory_say_how_much_is_needed(tmp_path):
    source = write_image(tmp_path / "a.zarr", pixels(8, 8), levels=1, chunks=(8, 8))
    change(source, lambda array: array.update(shape=[10**5, 10**5]), "0/zarr.json")
    grid = {"name": "regular", "configuration": {"chunk_shape": [50000, 50000]}}
    change(source, lambda array: array.update(chunk_grid=grid), "0/zarr.json")
    with pytest.raises(ValueError, match=r"memory 4 GB: blocks of \(50000, 50000\) pixels, .* need at least 58\.1 GB"):
        denoise_zarr(Denoiser(identity(1)), str(source), str(tmp_path / "out.zarr"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_a_network_that_must_see_whole_planes_does(small_blocks, tmp_path):
    image = keras.Input((None, None, 1))
    mean = keras.layers.GlobalAveragePooling2D(keepdims=True)(image)
    network = keras.Model(image, keras.layers.Average()([image, mean]))
    data = pixels(2, 200, 300)
    source = write_image(tmp_path / "a.zarr", data, levels=1, chunks=(1, 64, 64))
    denoise_zarr(Denoiser(network), str(source), str(tmp_path / "out.zarr"))
    expected = np.stack([Denoiser(network)(plane) for plane in data])
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "out.zarr" / "0")[...], expected)


def test_a_range_that_each_block_would_measure_anew_is_refused(tmp_path):
    source = write_image(tmp_path / "a.zarr", pixels(40, 50), levels=1)
    with pytest.raises(ValueError, match="`range` auto: would be another in each block"):
        denoise_zarr(Denoiser(identity(1), value_range="auto"), str(source), str(tmp_path / "out.zarr"))
    assert not (tmp_path / "out.zarr").exists()
    denoise_zarr(Denoiser(negative(1), value_range=(0, 1000)), str(source), str(tmp_path / "out.zarr"))
    expected = np.clip(1000 - zarr.open_array(source / "0")[...].astype(int), 0, 65535)
    np.testing.assert_allclose(zarr.open_array(tmp_path / "out.zarr" / "0")[...].astype(int), expected, atol=1)


def test_other_units_are_named(tmp_path, caplog):
    denoiser = Denoiser(in_range(identity(1), ValueRange(0, 65535)))
    for name, image, warned in (("own", pixels(40, 50), False), ("other", pixels(40, 50) // 100, True)):
        source = write_image(tmp_path / f"{name}.zarr", image, levels=2)
        denoise_zarr(denoiser, str(source), str(tmp_path / f"out_{name}.zarr"))
        assert (f"{name}.zarr: its pixels lie from" in caplog.text) == warned
