"""Files written like others; checked with Pillow and tifffile, which wrote the originals."""

import dataclasses
import io
import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.readers import pages, read
from n2n_tf.formats.table import FORMATS
from n2n_tf.formats.writers import write_like

RNG = np.random.default_rng(0)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(directories):
    tags = Image.Exif()
    tags[271], tags[272], tags[274] = "Maker", "Model", 6
    if not directories:  # Pillow writes none into a TIFF; another test does
        return tags
    tags[34665] = {33434: (1, 125), 36867: "2026:01:02 03:04:05", 37510: b"a comment" * 20}
    tags[34853] = {1: "N", 2: (48.0, 8.0, 30.5)}
    return tags


def copy(source, target, change=lambda image: image):
    """The images of a file, written again like the file."""
    write_like(source, target, ((page.number, change(read(page))) for page in pages(source)))
    return target


PHOTO = RNG.integers(0, 255, (40, 61, 3), np.uint8)


@pytest.mark.parametrize(
    ("name", "options", "exact"),
    [
        ("a.jpg", {"quality": 90, "comment": b"hello"}, False),
        ("a.png", {}, True),
        ("lossy.webp", {"quality": 90}, False),
        ("lossless.webp", {"lossless": True}, True),
        ("a.tif", {}, True),
    ],
)
def test_exif_icc_profile_and_resolution_stay(name, options, exact, tmp_path):
    tags = exif(directories=name != "a.tif")
    Image.fromarray(PHOTO).save(tmp_path / name, exif=tags, icc_profile=PROFILE, dpi=(300, 200), **options)
    copied = copy(tmp_path / name, tmp_path / f"copy_{name}")
    with Image.open(tmp_path / name) as old, Image.open(copied) as new:
        assert (new.format, new.mode, new.size) == (old.format, old.mode, old.size)
        assert new.info.get("icc_profile") == PROFILE
        assert new.info.get("dpi") == old.info.get("dpi")
        assert new.info.get("comment") == old.info.get("comment")
        for directory in (34665, 34853):
            assert new.getexif().get_ifd(directory) == old.getexif().get_ifd(directory)
        for tag in (271, 272, 274):
            assert new.getexif().get(tag) == old.getexif().get(tag)
        assert new.getexif()[271] == "Maker"
        if new.format != "TIFF":
            assert new.getexif().get_ifd(34665)[37510] == b"a comment" * 20
    difference = np.abs(read(pages(copied)[0]).astype(int) - read(pages(tmp_path / name)[0])).mean()
    assert difference == 0 if exact else difference < 10


def test_a_jpeg_is_written_finely(tmp_path):
    """With the quantisation of Pillow's quality 95, and all of the chroma."""
    Image.fromarray(PHOTO).save(tmp_path / "a.jpg", quality=30)
    Image.fromarray(PHOTO).save(tmp_path / "fine.jpg", quality=95)
    with Image.open(copy(tmp_path / "a.jpg", tmp_path / "b.jpg")) as new, Image.open(tmp_path / "fine.jpg") as fine:
        assert new.quantization == fine.quantization
        assert {component[1:3] for component in new.layer} == {(1, 1)}


def test_a_gray_jpeg_without_the_usual_first_segment(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(PHOTO[..., 0]).save(buffer, "JPEG", comment=b"hello")
    data = buffer.getvalue()
    (size,) = struct.unpack(">H", data[4:6])
    (tmp_path / "a.jpg").write_bytes(data[:2] + b"\xff\xff" + data[4 + size :])  # fill bytes in its place
    with Image.open(copy(tmp_path / "a.jpg", tmp_path / "b.jpg")) as new:
        assert (new.mode, new.info["comment"]) == ("L", b"hello")


def test_a_png_cut_in_its_last_text_is_written_whole(tmp_path):
    text = PngInfo()
    text.add_text("first", "kept")
    Image.fromarray(PHOTO).save(tmp_path / "a.png", pnginfo=text)
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(data[:-12] + struct.pack(">I", 1000) + b"tEXtsecond\0lost")
    with Image.open(copy(tmp_path / "a.png", tmp_path / "b.png")) as new:
        assert new.text == {"first": "kept"}
        np.testing.assert_array_equal(np.asarray(new), PHOTO)


def test_a_palette_with_transparency_becomes_colour_and_alpha(tmp_path):
    palette = Image.fromarray(RNG.integers(0, 3, (9, 8), np.uint8), "P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "a.png", transparency=1)
    with Image.open(copy(tmp_path / "a.png", tmp_path / "b.png")) as new, Image.open(tmp_path / "a.png") as old:
        np.testing.assert_array_equal(np.asarray(new), np.asarray(old.convert("RGBA")))
    assert b"tRNS" in (tmp_path / "a.png").read_bytes()
    assert b"tRNS" not in (tmp_path / "b.png").read_bytes()  # PNG forbids it beside an alpha channel


def test_a_jpeg_forgets_the_index_of_pictures_behind_it(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).save(buffer, "JPEG")
    segment = b"\xff\xe2" + struct.pack(">H", 2 + 8) + b"MPF\0abcd"
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue()[:2] + segment + buffer.getvalue()[2:])
    assert b"MPF\0" not in copy(tmp_path / "a.jpg", tmp_path / "b.jpg").read_bytes()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_depth_and_alpha_stay(dtype, channels, tmp_path):
    image = RNG.integers(0, np.iinfo(dtype).max, (11, 7, channels)).astype(dtype)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(image.squeeze()))
    copied = copy(tmp_path / "a.png", tmp_path / "b.png").read_bytes()
    assert copied[24] == np.dtype(dtype).itemsize * 8  # IHDR's bit depth
    np.testing.assert_array_equal(imagecodecs.png_decode(copied).reshape(image.shape), image)


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_tiff_pages_types_and_tags_stay(byteorder, bigtiff, compression, tmp_path):
    source = tmp_path / "a.tif"
    images = [
        RNG.random((9, 8)).astype(np.float32),
        RNG.integers(0, 65535, (5, 6, 3)).astype(np.uint16),
        RNG.integers(0, 255, (7, 4, 4)).astype(np.uint8),
        RNG.random((3, 3)).astype(np.float16),
    ]
    with tifffile.TiffWriter(source, byteorder=byteorder, bigtiff=bigtiff) as writer:
        for number, image in enumerate(images):
            writer.write(
                image,
                photometric="rgb" if image.ndim == 3 else "minisblack",
                extrasamples=["unassalpha"] if image.shape[-1] == 4 and image.ndim == 3 else None,
                compression=compression,
                metadata=None,
                description=f"page {number}",
                resolution=(300 + number, 200),
                resolutionunit="CENTIMETER",
                software="microscope 1.0",
                extratags=[(34675, 7, len(PROFILE), PROFILE, False), (33432, 2, 0, "me", False)],
            )
    copied = copy(source, tmp_path / "b.tif")
    with tifffile.TiffFile(source) as old, tifffile.TiffFile(copied) as new:
        assert (new.byteorder, new.is_bigtiff, len(new.pages)) == (byteorder, bigtiff, 4)
        for page, copied_page, image in zip(old.pages, new.pages, images, strict=True):
            np.testing.assert_array_equal(copied_page.asarray(), image)
            assert copied_page.dtype == image.dtype
            assert (copied_page.compression != 1) == (compression is not None)
            for code in (262, 270, 282, 283, 296, 305, 33432, 34675, 338):
                one, other = (p.tags[code].value if code in p.tags else None for p in (page, copied_page))
                assert one == other, code


@pytest.mark.parametrize("endian", "<>")
def test_tiff_directories_are_copied_in_either_byte_order(endian, tmp_path):
    """Encoded by Pillow's own encoder of directories, put into a file by hand, read by Pillow."""
    from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

    source = tmp_path / "a.tif"
    directory = ImageFileDirectory_v2(prefix=b"II" if endian == "<" else b"MM")
    directory.tagtype.update({33434: 5, 36867: 2, 34855: 3})
    directory[33434], directory[36867], directory[34855] = IFDRational(1, 125), "2026:01:02 03:04:05", 800
    with tifffile.TiffWriter(source, byteorder=endian) as writer:
        writer.write(PHOTO, photometric="rgb", metadata=None, extratags=[(34664, 4, 1, b"\0\0\0\0", False)])
    with tifffile.TiffFile(source) as tiff:
        offset = tiff.pages[0].tags[34664].offset
    with source.open("r+b") as file:
        begin = file.seek(0, 2)
        file.write(directory.tobytes(begin))
        file.seek(offset)
        file.write(struct.pack(endian + "HHII", 34665, 4, 1, begin))
    with Image.open(copy(source, tmp_path / "b.tif")) as new:
        found = new.getexif().get_ifd(34665)
        assert found == {33434: 1 / 125, 36867: "2026:01:02 03:04:05", 34855: 800}
        np.testing.assert_array_equal(np.asarray(new), PHOTO)


def test_bmp_resolution_stays(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "a.bmp", dpi=(300, 300))
    with Image.open(copy(tmp_path / "a.bmp", tmp_path / "b.bmp")) as new:
        assert new.info["dpi"] == pytest.approx((300, 300), abs=0.02)
        np.testing.assert_array_equal(np.asarray(new), PHOTO)


def animation(path, form):
    frames = [Image.fromarray(RNG.integers(0, 255, (9, 9, 3), np.uint8)) for _ in range(3)]
    frames[0].save(path, form, save_all=True, append_images=frames[1:])


def bmp_with_alpha(path):
    header = struct.pack("<2sIHHI", b"BM", 14 + 108 + 16, 0, 0, 14 + 108)
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    info = struct.pack("<IiiHHIIiiII", 108, 2, 2, 1, 32, 3, 16, 0, 0, 0, 0) + masks + bytes(52)
    path.write_bytes(header + info + bytes(range(16)))


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.gif", Image.fromarray(PHOTO).save, "GIF files are not written; convert it to PNG"),
        ("a.gif", lambda path: animation(path, "GIF"), "an animated GIF; save its frames as files"),
        ("a.webp", lambda path: animation(path, "WEBP"), "an animated WebP; save its frames as files"),
        ("a.png", lambda path: animation(path, "PNG"), "an animated PNG; save its frames as files"),
        ("a.bmp", bmp_with_alpha, "a BMP with alpha is not written; convert it to PNG"),
    ],
)
def test_what_would_be_lost_is_refused(name, make, message, tmp_path):
    make(tmp_path / name)
    with pytest.raises(UnusableImageError, match=message):
        copy(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def damaged_tiff(path, value):
    """A TIFF with an EXIF directory that points to itself or claims more than there is."""
    with tifffile.TiffWriter(path, byteorder="<") as writer:
        writer.write(PHOTO, photometric="rgb", metadata=None, extratags=[(34664, 4, 1, b"\0\0\0\0", False)])
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[0].tags[34664].offset
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        file.write(struct.pack("<HHHII", 1, 40965, 4, 1, end) + bytes(4))
        file.write(struct.pack("<H", 900) + struct.pack("<HHII", 37500, 7, end, 0) * 900 + bytes(4))
        begin = {"itself": end, "greedy": end + 18}[value]
        file.seek(offset)
        file.write(struct.pack("<HHII", 34665, 4, 1, begin))


def test_a_directory_that_claims_too_much_is_refused(tmp_path):
    damaged_tiff(tmp_path / "a.tif", "greedy")
    with pytest.raises(UnusableImageError, match="EXIF or GPS directory is damaged"):
        copy(tmp_path / "a.tif", tmp_path / "b.tif")


def test_what_a_codec_raises_becomes_one_kind_of_error(tmp_path, monkeypatch):
    def fail(source, target, images):
        raise RuntimeError("codec")

    monkeypatch.setitem(FORMATS, "BMP", dataclasses.replace(FORMATS["BMP"], write=fail))
    Image.fromarray(PHOTO).save(tmp_path / "a.bmp")
    with pytest.raises(UnusableImageError, match="cannot be written: codec"):
        copy(tmp_path / "a.bmp", tmp_path / "b.bmp")


def test_a_directory_that_points_to_itself_is_copied_once(tmp_path):
    damaged_tiff(tmp_path / "a.tif", "itself")
    np.testing.assert_array_equal(read(pages(copy(tmp_path / "a.tif", tmp_path / "b.tif"))[0]), PHOTO)


def test_a_resolution_of_nothing_is_left_out(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(PHOTO, photometric="rgb", metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        tiff.pages[0].tags[282].overwrite((1, 0))
    np.testing.assert_array_equal(read(pages(copy(tmp_path / "a.tif", tmp_path / "b.tif"))[0]), PHOTO)


@pytest.mark.parametrize(("code", "form", "value"), [(282, "<HI", (5, 2)), (296, "<HIH", (3, 1, 44801))])
def test_a_damaged_resolution_is_no_reason(code, form, value, tmp_path):
    """Two of them across, or a unit that there is not."""
    tifffile.imwrite(tmp_path / "a.tif", PHOTO, byteorder="<", resolution=(300, 300), metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        offset = tiff.pages[0].tags[code].offset
    with (tmp_path / "a.tif").open("r+b") as file:
        file.seek(offset + 2)
        file.write(struct.pack(form, *value))
    np.testing.assert_array_equal(read(pages(copy(tmp_path / "a.tif", tmp_path / "b.tif"))[0]), PHOTO)


def test_what_tells_the_old_jpegs_colours_is_not_kept(tmp_path):
    """Adobe's segment, APP14: the old file holds RGB, as it says, the new one YCbCr."""
    smooth = np.stack(np.broadcast_arrays(np.arange(64)[:, None] * 3, np.arange(64) * 4, 128), -1).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95, keep_rgb=True)
    assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()
    with Image.open(copy(tmp_path / "a.jpg", tmp_path / "b.jpg")) as new:
        assert np.abs(np.asarray(new).astype(int) - smooth).max() < 10


@pytest.mark.parametrize("profile", [PROFILE, PROFILE + b"\0"], ids=["even", "odd"])
def test_a_lossless_webp_stays_one_also_where_nothing_is_seen(profile, tmp_path):
    """A chunk of odd length has a byte behind it; colours below full transparency are kept."""
    image = RNG.integers(0, 256, (20, 30, 4), np.uint8)
    image[:10, :, 3] = 0
    Image.fromarray(image).save(tmp_path / "a.webp", lossless=True, exact=True, icc_profile=profile)
    with Image.open(copy(tmp_path / "a.webp", tmp_path / "b.webp")) as new:
        np.testing.assert_array_equal(np.asarray(new), image)
        assert new.info["icc_profile"] == profile


def test_gray_and_alpha_in_a_tiff_stay(tmp_path):
    image = RNG.integers(0, 256, (9, 8, 2), np.uint8)
    options = {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unassalpha"]}
    tifffile.imwrite(tmp_path / "a.tif", image, metadata=None, **options)
    with tifffile.TiffFile(copy(tmp_path / "a.tif", tmp_path / "b.tif")) as new:
        (page,) = new.pages
        np.testing.assert_array_equal(page.asarray(), image)
        assert (page.photometric, page.extrasamples) == (1, (tifffile.EXTRASAMPLE.UNASSALPHA,))
