"""Pixels that a TIFF says to have no data (GDAL_NODATA), and numbers of fewer bits than their type."""

import json

import numpy as np
import pytest
import tifffile
from test_tiff_types import write_packed

from n2n_tf.cli.main import main
from n2n_tf.config import RunError
from n2n_tf.data.images import Images, find_images
from n2n_tf.data.sources import source_from_json
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.readers import pages, read
from n2n_tf.formats.tiff.nodata import apart
from n2n_tf.training.data import find_data
from n2n_tf.training.presets import build_config
from n2n_tf.value_range import ValueRange

RNG = np.random.default_rng(0)
NODATA = 42113


def write(path, image, text, **options):
    tags = [(NODATA, 2, len(text) + 1, text, True)]
    options = {"photometric": "minisblack", **options}
    tifffile.imwrite(path, image, extratags=tags, metadata=None, **options)


def denoised(path, models, *more, kind="negative", channels=1):
    command = ["denoise", models(f"{kind} {channels}"), str(path), "--output", str(path.parent / "out")]
    assert main([*command, *more]) == 0
    return tifffile.imread(path.parent / "out" / path.name)


# pixels without data


@pytest.mark.parametrize(
    ("dtype", "text"),
    [("uint8", "255"), ("uint16", "0"), ("int16", "-32768"), ("float32", "-9999"), ("float64", "-3.4e+38"),
     ("float32", "-3.4028234663852886e+38"), ("int32", "-9999.0")],
)  # fmt: skip
def test_they_are_denoised_around_and_stay(dtype, text, models, tmp_path):
    none = np.dtype(dtype).type(float(text))
    image = (RNG.random((40, 50)) * 100).astype(dtype) + np.dtype(dtype).type(1)
    image[10:20, 5:9] = none
    write(tmp_path / "a.tif", image, text)
    stored = read(pages(tmp_path / "a.tif")[0])
    np.testing.assert_array_equal(np.ma.getmaskarray(stored)[..., 0], image == none)
    result = denoised(tmp_path / "a.tif", models, "--range", "0", "200")
    holes = image == none
    np.testing.assert_array_equal(result[holes], image[holes])
    np.testing.assert_allclose(result[~holes], 200 - image[~holes].astype(float), rtol=1e-5)
    with tifffile.TiffFile(tmp_path / "out" / "a.tif") as tiff:
        assert tiff.pages[0].tags[NODATA].value == text


def test_what_lies_around_them_does_not_feel_them(tmp_path):
    """A network that looks at neighbours sees the nearest pixel with data instead."""
    import keras

    given = keras.Input((None, None, 1))
    blur = keras.Model(given, keras.layers.AveragePooling2D(5, 1, "same")(given))
    blur.save(tmp_path / "blur.keras")
    image = np.full((40, 40), 100, np.uint8)
    image[10:20, 10:20] = 0
    write(tmp_path / "a.tif", image, "0")
    command = ["denoise", str(tmp_path / "blur.keras"), str(tmp_path / "a.tif"), "--output", str(tmp_path / "out")]
    assert main(command) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "a.tif"), image)
    tifffile.imwrite(tmp_path / "a.tif", image)  # without the tag they are dark pixels
    assert main([*command, "--overwrite"]) == 0
    assert (tifffile.imread(tmp_path / "out" / "a.tif") != image).any()


@pytest.mark.parametrize("text", ["-9999", "n/a", "0.5", "nan", ""])
def test_a_number_that_the_type_does_not_have(text, tmp_path):
    image = np.zeros((40, 50), np.uint8)
    write(tmp_path / "a.tif", image, text)
    assert not np.ma.is_masked(read(pages(tmp_path / "a.tif")[0]))


def test_each_band_has_its_own(models, tmp_path):
    image = RNG.integers(1, 200, (40, 50, 3), np.uint8)
    image[:5, :5, 0] = image[20:, 40:, 2] = 0
    write(tmp_path / "a.tif", image, "0", photometric="rgb")
    result = denoised(tmp_path / "a.tif", models, channels=3)
    np.testing.assert_array_equal(result, np.where(image == 0, 0, 255 - image))


def test_no_pixel_with_data_becomes_one_without(models, tmp_path):
    image = RNG.integers(1, 256, (40, 50), np.uint8)  # the brightest become 0
    image[3, 4], image[5, 6] = 0, 255
    write(tmp_path / "a.tif", image, "0")
    result = denoised(tmp_path / "a.tif", models)
    assert result[5, 6] == 1
    np.testing.assert_array_equal(result, np.where(image == 0, 0, np.maximum(255 - image, 1)))
    given = np.ma.masked_equal(np.array([[[255], [1]]], np.uint8), 255)
    np.testing.assert_array_equal(apart(given, np.array([[[255], [255]]], np.uint8)).data.ravel(), [255, 254])


def test_smaller_copies_are_of_pixels_with_data(models, tmp_path):
    image = np.full((64, 64), 200, np.int16)
    image[:32, :33] = -9999
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tag = [(NODATA, 2, 6, "-9999", True)]
        tiff.write(image, subifds=1, metadata=None, photometric="minisblack", extratags=tag)
        tiff.write(image[::2, ::2], subfiletype=1, metadata=None, photometric="minisblack")
    denoised(tmp_path / "a.tif", models, "--range", "0", "300", kind="identity")
    with tifffile.TiffFile(tmp_path / "out" / "a.tif") as result:
        expected = np.full((32, 32), 200)
        expected[:16, :16] = -9999  # the next column has one of two
        np.testing.assert_array_equal(result.pages[0].pages[0].asarray(), expected)


def test_training_sees_none_of_them(tmp_path):
    image = (RNG.random((80, 90)) * 0.5 + 0.2).astype(np.float32)
    image[:70] = -9999
    write(tmp_path / "a.tif", image, "-9999")
    images = find_images([str(tmp_path)], 1)
    assert images.read(0)[0].min() > 0.19
    assert next(images.samples(1)).min() > 0.19
    write(tmp_path / "a.tif", np.zeros((80, 90), np.int16), "0")
    images.value_range = ValueRange(0, 1)
    with pytest.raises(RunError, match="no pixel that is a number"):
        images.read(0)


# fewer bits


def twelve(path, **options):
    image = RNG.integers(0, 4096, (96, 80), np.uint16)
    write_packed(path, image, 12, **options)
    return image


def test_packed_bits_are_the_type(models, tmp_path):
    image = twelve(tmp_path / "a.tif")
    assert pages(tmp_path / "a.tif")[0].bits == 12
    result = denoised(tmp_path / "a.tif", models, "--range", "dtype")
    np.testing.assert_array_equal(result, 4095 - image)


@pytest.mark.parametrize(("bits", "dtype", "most"), [(12, "uint16", 4095), (16, "uint16", 65535), (12, "int16", None)])
def test_significant_bits_of_ome(bits, dtype, most, models, tmp_path):
    image = RNG.integers(0, 4096, (2, 40, 50)).astype(dtype)
    told = {"axes": "CYX", "SignificantBits": bits}
    tifffile.imwrite(tmp_path / "a.ome.tif", image, ome=True, photometric="minisblack", metadata=told)
    assert {page.bits for page in pages(tmp_path / "a.ome.tif")} == {12 if most == 4095 else 0}
    result = denoised(tmp_path / "a.ome.tif", models, "--range", "dtype")
    np.testing.assert_array_equal(result, most - image if most else -1 - image)


def test_white_is_zero_in_twelve_bits(models, tmp_path):
    image = twelve(tmp_path / "a.tif", photometric="miniswhite")
    np.testing.assert_array_equal(denoised(tmp_path / "a.tif", models, "--range", "dtype"), 4095 - image)


def test_training_on_packed_bits(tmp_path):
    for number in range(2):
        twelve(tmp_path / f"{number}.tif")
    settings = {"data": [str(tmp_path)], "channels": 1, "noise": "none", "range": "dtype", "patch_size": 64}
    training, held_out = find_data(build_config(settings))
    assert training.value_range == held_out.value_range == ValueRange(0, 4095)
    saved = json.loads(json.dumps(training.to_json()))
    assert source_from_json(saved, 1).limits == ValueRange(0, 4095)
    saved["pages"] = [page[:7] for page in saved["pages"]]  # of an earlier version
    assert source_from_json(saved, 1).limits is None


def test_files_of_several_bits_have_no_limits_together(tmp_path):
    twelve(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", RNG.integers(0, 65536, (96, 80), np.uint16))
    assert find_images([str(tmp_path)], 1).limits is None
    assert Images(pages(tmp_path / "a.tif"), 1).limits == ValueRange(0, 4095)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_sixty_four_bits_are_refused_with_the_way_out(dtype, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.arange(2000).reshape(40, 50).astype(dtype))
    with pytest.raises(UnusableImageError, match=f"64-bit pixels, {dtype}; wanted integers of 1 to 32 bits.*convert"):
        pages(tmp_path / "a.tif")
