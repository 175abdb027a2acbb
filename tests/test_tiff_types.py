"""TIFFs of every type of numbers, in and out; tifffile writes the originals and reads the copies."""

import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from n2n_tf.cli.main import main
from n2n_tf.config import RunError
from n2n_tf.data.images import find_images
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.pixels import check_pixels
from n2n_tf.formats.readers import pages, read
from n2n_tf.formats.writers import write_like
from n2n_tf.value_range import ValueRange

RNG = np.random.default_rng(0)
TYPES = ["int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "float32", "float64"]
GRAY = {"photometric": "minisblack", "metadata": None}
GREEN = np.zeros((3, 256), np.uint16)
GREEN[1] = np.arange(256) * 257
FIRE = RNG.integers(0, 65536, (3, 256), np.uint16)  # no ramp


def numbers(dtype, shape=(40, 50)):
    """Of the whole range."""
    if np.dtype(dtype).kind == "f":
        return (RNG.normal(0, 1000, shape)).astype(dtype)
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def slowly_packed(image, bits):
    """A number of bits for each row, by Python's own integers."""
    rows = ("".join(f"{value:0{bits}b}" for value in row.ravel().tolist()) for row in image)
    padded = (row + "0" * (-len(row) % 8) for row in rows)
    return b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in padded)


def write_packed(path, image, bits, photometric="minisblack", **options):
    """Not every version of tifffile packs them itself."""
    form = {"shape": image.shape, "dtype": image.dtype, "bitspersample": bits, "rowsperstrip": len(image)}
    data = iter([slowly_packed(image, bits)])
    tifffile.imwrite(path, data, photometric=photometric, metadata=None, **form, **options)


def copied(source, change=lambda image: image):
    """Every page, through our reader and writer."""
    target = source.with_name("copy.tif")
    write_like(source, target, ((page.number, change(read(page))) for page in pages(source)))
    return tifffile.TiffFile(target)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)], ids=str)
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (16, 32)}], ids=["plain", "tiled"])
def test_every_type_comes_out_as_it_went_in(dtype, shape, byteorder, options, tmp_path):
    image = numbers(dtype, shape)
    model = "rgb" if len(shape) == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", image, photometric=model, byteorder=byteorder, metadata=None, **options)
    (page,) = pages(tmp_path / "a.tif")
    assert (page.kind, page.dtype) == ("RGB" if len(shape) == 3 else "gray", dtype)
    np.testing.assert_array_equal(read(page).squeeze(), image, strict=True)
    with copied(tmp_path / "a.tif") as new:
        np.testing.assert_array_equal(new.asarray(), image, strict=True)
        assert (new.byteorder, new.pages[0].is_tiled) == (byteorder, "tile" in options)


@pytest.mark.parametrize("bits", [2, 4, 6, 9, 10, 12, 14, 15, 20, 31])
@pytest.mark.parametrize("shape", [(40, 51), (40, 51, 3)], ids=str)
def test_packed_bits_stay_packed(bits, shape, tmp_path):
    dtype = np.min_scalar_type(2**bits - 1)
    image = RNG.integers(0, 2**bits, shape, dtype)
    model = "rgb" if len(shape) == 3 else "minisblack"
    write_packed(tmp_path / "a.tif", image, bits, model)
    (page,) = pages(tmp_path / "a.tif")
    assert page.dtype == dtype.name
    np.testing.assert_array_equal(read(page).squeeze(), image, strict=True)
    with copied(tmp_path / "a.tif") as new:
        assert new.pages[0].bitspersample == bits
        np.testing.assert_array_equal(new.asarray(), image, strict=True)
    with copied(tmp_path / "a.tif", lambda image: np.maximum(image, image.dtype.type(2**bits + 1))) as new:
        assert (new.asarray() == 2**bits - 1).all()  # not the lowest bits of what is too large


def patch(path, tags, data=b""):
    """Change values of the first page's tags, by their code; and its strip or tile, if that is one."""
    with tifffile.TiffFile(path) as tiff:
        found = tiff.pages[0].tags
        places = {code: found[code].valueoffset for code in tags}
        begin = tiff.pages[0].dataoffsets[0]
    with path.open("r+b") as file:
        for code, (form, *values) in tags.items():
            file.seek(places[code])
            file.write(struct.pack(form, *values))
        file.seek(begin)
        file.write(data)


def test_packed_and_compressed_is_read(tmp_path):
    """tifffile writes no such file: its strip is packed and compressed here, its tags are corrected."""
    image = RNG.integers(0, 4096, (40, 50), np.uint16)
    data = imagecodecs.zlib_encode(slowly_packed(image, 12))
    tifffile.imwrite(tmp_path / "a.tif", image, byteorder="<", rowsperstrip=40, compression="zlib", **GRAY)
    patch(tmp_path / "a.tif", {258: ("<H", 12), 279: ("<I", len(data))}, data)
    with copied(tmp_path / "a.tif") as new:
        np.testing.assert_array_equal(new.asarray(), image, strict=True)
        assert new.pages[0].bitspersample == 12


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "uint32"])
def test_white_is_zero_is_seen_the_right_way_round(dtype, tmp_path):
    image = numbers("uint8") > 99 if dtype == "bool" else numbers(dtype)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="miniswhite", metadata=None)
    seen = read(pages(tmp_path / "a.tif")[0])[..., 0]
    if dtype in ("bool", "uint8"):  # Pillow's view
        with Image.open(tmp_path / "a.tif") as opened:
            np.testing.assert_array_equal(seen * 255 if dtype == "bool" else seen, np.asarray(opened.convert("L")))
    else:
        np.testing.assert_array_equal(seen, np.iinfo(dtype).max - image, strict=True)
    with copied(tmp_path / "a.tif") as new:
        np.testing.assert_array_equal(new.asarray(), image, strict=True)
        assert new.pages[0].photometric == tifffile.PHOTOMETRIC.MINISWHITE


def test_packed_and_tiled_is_read(tmp_path):
    """And written in strips: tifffile packs no tiles."""
    image = RNG.integers(0, 4096, (16, 16), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image, byteorder="<", tile=(16, 16), **GRAY)
    data = slowly_packed(image, 12)
    patch(tmp_path / "a.tif", {258: ("<H", 12), 325: ("<I", len(data))}, data)
    with copied(tmp_path / "a.tif") as new:
        np.testing.assert_array_equal(new.asarray(), image, strict=True)
        assert (new.pages[0].bitspersample, new.pages[0].is_tiled) == (12, False)


@pytest.mark.parametrize(
    ("dtype", "bits", "message"),
    [("float32", 24, "floats of 24 bits; wanted"), ("uint8", (5, 6, 5), r"\(5, 6, 5\)-bit pixels, uint8; wanted")],
)
def test_numbers_that_cannot_be_written_so_are_refused(dtype, bits, message, tmp_path):
    image = numbers(dtype, (40, 50, 3) if dtype == "uint8" else (40, 50))
    tifffile.imwrite(tmp_path / "a.tif", image, byteorder="<", metadata=None)
    patch(tmp_path / "a.tif", {258: ("<3H", *bits) if dtype == "uint8" else ("<H", bits)})
    with pytest.raises(UnusableImageError, match=message):
        pages(tmp_path / "a.tif")


def test_white_is_zero_of_packed_bits(tmp_path):
    image = RNG.integers(0, 4096, (40, 50), np.uint16)
    write_packed(tmp_path / "a.tif", image, 12, "miniswhite")
    np.testing.assert_array_equal(read(pages(tmp_path / "a.tif")[0])[..., 0], 4095 - image)
    with copied(tmp_path / "a.tif") as new:
        np.testing.assert_array_equal(new.asarray(), image)


def test_a_bilevel_fax_becomes_one_of_8_bits(tmp_path):
    """As `denoise` makes of 1 bit, and white is still 0."""
    image = numbers("uint8") > 99
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="miniswhite", metadata=None)
    with copied(tmp_path / "a.tif", lambda image: image.astype(np.uint8) * np.uint8(255)) as new:
        np.testing.assert_array_equal(new.asarray(), image * np.uint8(255))
        assert new.pages[0].photometric == tifffile.PHOTOMETRIC.MINISWHITE


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_no_white_is_known_of_signed_numbers(dtype, tmp_path):
    image = numbers(dtype)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="miniswhite", metadata=None)
    np.testing.assert_array_equal(read(pages(tmp_path / "a.tif")[0])[..., 0], image)
    with copied(tmp_path / "a.tif") as new:
        np.testing.assert_array_equal(new.asarray(), image)


@pytest.mark.parametrize(("imagej", "step"), [(False, 1), (False, -1), (True, 1)])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_palette_that_colours_intensities_stays(imagej, step, compression, tmp_path):
    """A ramp, or any that ImageJ writes."""
    image, colours = numbers("uint8"), FIRE if imagej else GREEN[:, ::step]
    text = "ImageJ=1.54f\nimages=1\nmin=0.0\nmax=255.0\n" if imagej else None
    options = {"photometric": "palette", "colormap": colours, "compression": compression, "description": text}
    tifffile.imwrite(tmp_path / "a.tif", image, metadata=None, **options)
    (page,) = pages(tmp_path / "a.tif")
    assert (page.kind, page.dtype) == ("gray", "uint8")
    np.testing.assert_array_equal(read(page)[..., 0], image)
    with copied(tmp_path / "a.tif", lambda image: 255 - image) as new:
        np.testing.assert_array_equal(new.asarray(), 255 - image)
        assert new.pages[0].photometric == tifffile.PHOTOMETRIC.PALETTE
        np.testing.assert_array_equal(new.pages[0].colormap, colours)


@pytest.mark.parametrize("scale", [1, 256, 257])
def test_a_palette_of_colours_is_rgb(scale, tmp_path):
    """Its values are 8 bits shifted, 8 bits spread, or 16."""
    image, bits = numbers("uint8"), FIRE >> 8 if scale > 1 else FIRE
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="palette", colormap=bits * np.uint16(scale), metadata=None)
    (page,) = pages(tmp_path / "a.tif")
    assert (page.kind, page.channels, page.dtype) == ("RGB", 3, "uint16" if scale == 1 else "uint8")
    np.testing.assert_array_equal(read(page), np.moveaxis(bits[:, image], 0, -1))
    with copied(tmp_path / "a.tif") as new:
        np.testing.assert_array_equal(new.asarray(), np.moveaxis(bits[:, image], 0, -1))
        assert new.pages[0].photometric == tifffile.PHOTOMETRIC.RGB


@pytest.mark.parametrize("mode", ["P", "1"])
def test_palettes_of_pillow(mode, tmp_path):
    """Of 256 colours, and of 1 bit."""
    colours = Image.fromarray(numbers("uint8", (40, 50, 3)))
    colours.convert(mode).save(tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as opened:
        expected = np.asarray(opened.convert("RGB" if mode == "P" else "1"))
    np.testing.assert_array_equal(read(pages(tmp_path / "a.tif")[0]).squeeze(), expected)


def test_a_palette_of_16_colours_is_rgb(tmp_path):
    """Also one that is a ramp: of fewer than 8 bits no palette is written."""
    image, ramp = RNG.integers(0, 16, (40, 50), np.uint8), np.repeat(np.arange(16, dtype=np.uint16)[None] * 4369, 3, 0)
    tags = [(320, 3, ramp.size, ramp.ravel().tolist(), True)]
    write_packed(tmp_path / "a.tif", image, 4, byteorder="<", extratags=tags)
    patch(tmp_path / "a.tif", {262: ("<H", 3)})
    with Image.open(tmp_path / "a.tif") as opened:
        expected = np.asarray(opened.convert("RGB"))
    np.testing.assert_array_equal(read(pages(tmp_path / "a.tif")[0]), expected, strict=True)
    with copied(tmp_path / "a.tif") as new:
        np.testing.assert_array_equal(new.asarray(), expected, strict=True)


def test_a_palette_of_another_size_is_refused(tmp_path):
    options = {"photometric": "palette", "colormap": FIRE, "byteorder": "<", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", numbers("uint8"), **options)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        offset = tiff.pages[0].tags[320].offset
    with (tmp_path / "a.tif").open("r+b") as file:
        file.seek(offset + 4)
        file.write(struct.pack("<I", 3 * 16))
    with pytest.raises(UnusableImageError, match=r"a palette of form \(3, 16\) for 8-bit pixels; convert it to RGB"):
        pages(tmp_path / "a.tif")


def test_types_that_are_no_intensities_are_refused_in_time(tmp_path):
    """When images are listed, not in the midst of a training."""
    tifffile.imwrite(tmp_path / "a.tif", numbers("int64"), **GRAY)
    tifffile.imwrite(tmp_path / "b.tif", numbers("int16"), **GRAY)
    found = find_images([str(tmp_path)], 1)
    assert [page.path for page in found.pages] == [str(tmp_path / "b.tif")]
    assert list(found.skipped) == [str(tmp_path / "a.tif")]
    with pytest.raises(UnusableImageError, match=r"int16 pixels; .*say which numbers stand for 0 and 1"):
        check_pixels(read(pages(tmp_path / "b.tif")[0]))
    check_pixels(read(pages(tmp_path / "b.tif")[0]), ValueRange(0, 1))


CHANNELS = {"two": ("minisblack", 2), "three": ("minisblack", 3), "RGB and one": ("rgb", 4),
            "multispectral": ("minisblack", 7), "RGB and two": ("rgb", 5)}  # fmt: skip


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "tile": (16, 32)}], ids=["plain", "tiled"])
@pytest.mark.parametrize(("model", "channels"), CHANNELS.values(), ids=CHANNELS)
def test_channels_that_are_no_alpha(model, channels, options, planar, tmp_path):
    """Each is one of the image's own, in and out."""
    image = numbers("uint16", (40, 50, channels))
    stored = np.ascontiguousarray(np.moveaxis(image, -1, 0)) if planar == "separate" else image
    extra = ["unspecified"] * (channels - (3 if model == "rgb" else 1))
    more = {"photometric": model, "planarconfig": planar, "extrasamples": extra, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", stored, **more, **options)
    (page,) = pages(tmp_path / "a.tif")
    assert (page.kind, page.channels, page.colors) == ("channels", channels, channels)
    np.testing.assert_array_equal(read(page), image, strict=True)
    with copied(tmp_path / "a.tif") as new:
        assert new.pages[0].photometric == tifffile.PHOTOMETRIC[model.upper()]
        assert [int(each) for each in new.pages[0].extrasamples] == [0] * len(extra)
        np.testing.assert_array_equal(new.asarray(), image, strict=True)


def test_two_channels_of_which_nothing_is_told(tmp_path):
    """Without ExtraSamples: of gray ones it need not be there."""
    image = numbers("uint16", (40, 50, 2))
    options = {"photometric": "minisblack", "planarconfig": "contig", "byteorder": "<", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", image, **options)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        offset = tiff.pages[0].tags[338].offset
    with (tmp_path / "a.tif").open("r+b") as file:
        file.seek(offset)
        file.write(struct.pack("<H", 337))  # TargetPrinter
    assert pages(tmp_path / "a.tif")[0].kind == "channels"
    with copied(tmp_path / "a.tif") as new:
        np.testing.assert_array_equal(new.asarray(), image, strict=True)


def test_four_channels_are_no_mosaic(tmp_path):
    """A raw model has four too: what they are is not told from their number."""
    image = numbers("uint16", (40, 50, 4))
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", planarconfig="contig", metadata=None)
    with pytest.raises(RunError, match=r"a\.tif: 4 channels that are no raw mosaic"):
        find_images([str(tmp_path)], 4)
    with pytest.raises(RunError, match=r"a\.tif: 4 channel\(s\), wanted 3; train with `channels` 4"):
        find_images([str(tmp_path)], 3)


def test_a_colour_model_takes_no_four_channels(models, tmp_path, capsys):
    """It would take the fourth for alpha."""
    image = numbers("uint8", (40, 50, 4))
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extrasamples=["unspecified"], metadata=None)
    assert main(["denoise", models("negative 3"), str(tmp_path / "a.tif"), "--output", str(tmp_path / "out")]) == 1
    assert "the image has shape (40, 50, 4); this network takes" in capsys.readouterr().err


def test_a_gray_model_denoises_channels_one_by_one(models, tmp_path):
    image = numbers("uint16", (40, 50, 5))
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", planarconfig="contig", metadata=None)
    assert main(["denoise", models("negative 1"), str(tmp_path / "a.tif"), "--output", str(tmp_path / "out")]) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "a.tif"), 65535 - image)
