import imagecodecs
import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.pixels import colors_in_unit_range
from n2n_tf.formats.readers import pages, read

RNG = np.random.default_rng(0)
HEIGHT, WIDTH = 13, 17


def image_of(channels, dtype):
    shape = (HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH)
    if np.dtype(dtype).kind == "f":
        return RNG.random(shape).astype(dtype)
    return RNG.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def decoded(path):
    (page,) = pages(path)
    image = read(page)
    return image


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_keeps_every_value_and_equals_tensorflow(channels, dtype, tmp_path):
    image, path = image_of(channels, dtype), tmp_path / "image.png"
    path.write_bytes(imagecodecs.png_encode(image))
    np.testing.assert_array_equal(np.squeeze(decoded(path)), image)
    np.testing.assert_array_equal(decoded(path), tf.io.decode_png(path.read_bytes(), dtype=dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64, np.float16])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "lzw"}], ids=str)
def test_tiff_keeps_every_value(channels, dtype, options, tmp_path):
    image, path = image_of(channels, dtype), tmp_path / "image.tif"
    tifffile.imwrite(path, image, photometric="rgb" if channels > 1 else "minisblack", **options)
    np.testing.assert_array_equal(np.squeeze(decoded(path)), image)


def test_tiff_thumbnails_are_no_images(tmp_path):
    with tifffile.TiffWriter(tmp_path / "image.tif") as tiff:
        tiff.write(np.zeros((4, 4), np.uint8), subfiletype=1)
        tiff.write(image_of(1, np.uint8))
    assert [(page.number, page.height) for page in pages(tmp_path / "image.tif")] == [(1, HEIGHT)]


def test_tiff_planes_and_pages(tmp_path):
    stack = RNG.integers(0, 65535, (5, HEIGHT, WIDTH), np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack")
    found = pages(tmp_path / "stack.tif")
    np.testing.assert_array_equal([read(page)[..., 0] for page in found], stack)
    assert str(found[1]).endswith("stack.tif, page 2")
    planes = image_of(3, np.uint8)
    tifffile.imwrite(tmp_path / "planes.tif", np.moveaxis(planes, -1, 0), photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(decoded(tmp_path / "planes.tif"), planes)


@pytest.mark.parametrize(
    ("image", "options", "reason"),
    [
        (np.zeros((9, 9), np.int64), {}, "64-bit pixels, int64; wanted integers of 1 to 32 bits"),
        (np.zeros((9, 9), np.uint64), {}, "64-bit pixels, uint64"),
        (np.zeros((9, 9), np.complex64), {}, "64-bit pixels, complex64"),
        (np.zeros((9, 9), np.complex128), {}, "128-bit pixels, complex128"),
        (np.zeros((9, 9, 4), np.uint8), {"photometric": "separated"}, "SEPARATED TIFF of 4 channels"),
    ],
    ids=["int64", "uint64", "complex64", "complex128", "ink"],
)
def test_tiffs_that_would_be_misread_are_refused_by_their_headers(image, options, reason, tmp_path):
    tifffile.imwrite(tmp_path / "image.tif", image, **options)
    with pytest.raises(UnusableImageError, match=reason):
        pages(tmp_path / "image.tif")


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize(("channels", "model"), [(2, "minisblack"), (4, "rgb")])
def test_tiffs_with_alpha(channels, model, kind, tmp_path):
    image = image_of(channels, np.uint8)
    options = {"photometric": model, "planarconfig": "contig", "extrasamples": [kind]}
    tifffile.imwrite(tmp_path / "image.tif", image, **options)
    np.testing.assert_array_equal(decoded(tmp_path / "image.tif"), image)


@pytest.mark.parametrize("suffix", ["bmp", "gif", "webp", "jpg"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pillows_formats(suffix, channels, tmp_path):
    smooth = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)).astype(np.uint8) * 8
    image = np.stack([smooth, smooth.T[:WIDTH].reshape(HEIGHT, WIDTH), 255 - smooth], -1)[..., :channels].squeeze()
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(image).save(path, **({"lossless": True} if suffix == "webp" else {}))
    result = decoded(path)
    assert result.dtype == np.uint8
    expected = np.asarray(Image.open(path).convert("RGB" if result.shape[-1] == 3 else "L"))
    np.testing.assert_array_equal(np.squeeze(result), expected)
    if suffix == "jpg":  # the decoder of an exported model agrees
        raw = tf.io.decode_jpeg(path.read_bytes(), dct_method="INTEGER_ACCURATE")
        np.testing.assert_array_equal(result, raw)
    elif suffix != "gif":
        expected = np.repeat(image[..., None], 3, -1) if result.ndim == 3 and image.ndim == 2 else image
        np.testing.assert_array_equal(np.squeeze(result), expected if suffix == "webp" else image)


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("L", 1), ("LA", 2), ("P", 3), ("RGB", 3), ("RGBA", 4)])
def test_png_colour_models(mode, channels, tmp_path):
    Image.fromarray(image_of(4, np.uint8)).convert(mode).save(tmp_path / "image.png")
    assert decoded(tmp_path / "image.png").shape[-1] in (channels, 4 if mode == "P" else channels)
    (page,) = pages(tmp_path / "image.png")
    assert page.colors == {1: 1, 2: 1, 3: 3, 4: 3}[channels]


def test_the_content_decides_not_the_name(tmp_path):
    Image.fromarray(image_of(3, np.uint8)).save(tmp_path / "image.png", "JPEG")
    assert decoded(tmp_path / "image.png").shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("dtype", "peak"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1), (np.float64, 1)])
def test_unit_range_without_alpha(channels, dtype, peak):
    image = image_of(channels, dtype).reshape(HEIGHT, WIDTH, channels)
    colors = 1 if channels < 3 else 3
    result = colors_in_unit_range(image, colors)
    assert result.dtype == np.float32
    expected = image[..., :colors].astype(np.float32) / np.float32(peak)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((2, 2, 1), np.int16), "int16 pixels"),
        (np.full((2, 2, 1), np.nan), "no pixel that is a number"),
        (np.full((2, 2, 1), 4095.0), "up to 4095"),
    ],
)
def test_pixels_that_cannot_be_used(image, reason):
    with pytest.raises(UnusableImageError, match=reason):
        colors_in_unit_range(image, 1)


def broken_files(folder):
    good = imagecodecs.png_encode(RNG.integers(0, 255, (200, 200, 3), np.uint8))
    jpeg, tiff, cmyk = folder / "a.jpg", folder / "a.tif", folder / "cmyk.jpg"
    Image.fromarray(RNG.integers(0, 255, (200, 200, 3), np.uint8)).save(jpeg)
    Image.new("CMYK", (9, 9)).save(cmyk)
    tifffile.imwrite(tiff, RNG.integers(0, 255, (200, 200, 3), np.uint8), photometric="rgb")
    forged = bytearray(good)
    forged[16:24] = (60000).to_bytes(4, "big") * 2
    return {
        "empty.png": (b"", "the file is empty"),
        "text.png": (b"hello world", "not a PNG, JPEG"),
        "header.png": (good[:20], "cannot be decoded"),
        "cut.png": (good[: len(good) // 2], "cannot be decoded"),
        "cut.jpg": (jpeg.read_bytes()[:3000], "cannot be decoded"),
        "cut.tif": (tiff.read_bytes()[:5000], "cannot be decoded"),
        "huge.png": (bytes(forged), "pixels"),
        "cmyk.jpg": (cmyk.read_bytes(), "colour model CMYK"),
    }


@pytest.mark.parametrize(
    "name", ["empty.png", "text.png", "header.png", "cut.png", "cut.jpg", "cut.tif", "huge.png", "cmyk.jpg"]
)
def test_broken_files_are_one_kind_of_error_with_the_reason(name, tmp_path):
    content, reason = broken_files(tmp_path)[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnusableImageError, match=reason):
        [read(page) for page in pages(path)]


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        pages(tmp_path / "missing.png")
