"""Files that hold more images than they seem to: all of them, or refused; never one of several."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from n2n_tf.cli.main import main
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.readers import pages, read

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 65535, (5, 40, 50), np.uint16)
GRAY = {"photometric": "minisblack", "metadata": None}


def frames(size=(50, 40), count=2):
    return [Image.fromarray(RNG.integers(0, 255, (*size[::-1], 3), np.uint8)) for _ in range(count)]


def animation(path):
    first, *rest = frames()
    first.save(path, save_all=True, append_images=rest)


def ndpi(path):
    tags = [(65420, 4, 1, 1, True), (271, 2, 0, "Hamamatsu", True), (65426, 4, 2, (8, 9), True)]
    tifffile.imwrite(path, STACK[0], byteorder="<", extratags=tags, **GRAY)


def volume(path):
    tifffile.imwrite(path, STACK, volumetric=True, tile=(16, 16, 16), **GRAY)


def lsm(path):
    told = np.zeros(1, tifffile.TIFF.CZ_LSMINFO)
    told["MagicNumber"], told["StructureSize"] = 67127628, told.nbytes
    told["DimensionX"], told["DimensionY"] = 50, 40
    for name in ("DimensionZ", "DimensionChannels", "DimensionTime"):
        told[name] = 1
    with tifffile.TiffWriter(path, byteorder="<") as tiff:
        tiff.write(STACK[0], extratags=[(34412, 1, told.nbytes, told.tobytes(), True)], **GRAY)
        tiff.write(STACK[0, ::4, ::4], subfiletype=1, **GRAY)


def below(path):
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(STACK[0], subifds=2, **GRAY)
        tiff.write(STACK[1], **GRAY)
        tiff.write(STACK[2], **GRAY)


def endless(path):
    """40,000 pages below one, all of them one."""
    with tifffile.TiffWriter(path, byteorder="<") as tiff:
        tiff.write(STACK[0], subifds=1, **GRAY)
        tiff.write(STACK[0, ::2, ::2], subfiletype=1, **GRAY)
    with tifffile.TiffFile(path) as tiff:
        tag, below = tiff.pages[0].tags[330], tiff.pages[0].subifds[0]
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        file.write(struct.pack("<I", below) * 40000)
        file.seek(tag.offset + 4)
        file.write(struct.pack("<II", 40000, end))


def rgb(samples, extra):
    def make(path):
        image = np.uint8(RNG.integers(0, 255, (40, 50, samples)))
        tifffile.imwrite(path, image, photometric="rgb", extrasamples=extra, metadata=None)

    return make


def without_extrasamples(path):
    rgb(4, ["unspecified"])(path)
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[0].tags[338].offset
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(struct.pack("<H", 337))  # TargetPrinter


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("a.gif", animation, "an animated GIF; save its frames as files"),
        ("a.png", animation, "an animated PNG; save its frames as files"),
        ("a.webp", animation, "an animated WebP; save its frames as files"),
        ("a.mpo", animation, "several pictures of one size in a JPEG"),
        ("a.tif", below, r"further images below page 1 \(SubIFDs\); save them as pages"),
        ("a.tif", volume, "a volume in one piece, compressed or in parts; save its planes as pages"),
        ("a.tif", endless, "more than 32768 pages below its pages"),
        ("a.tif", without_extrasamples, "RGB of 4 channels without ExtraSamples"),
        ("a.tif", rgb(5, ["unassalpha", "unspecified"]), "a RGB TIFF of 5 channels, one of them alpha"),
        ("a.tif", lambda path: path.write_bytes(b"II*\0" + bytes(12)), "holds no page"),
    ],
)
def test_what_is_not_seen_is_refused(name, make, message, tmp_path):
    make(tmp_path / name)
    with pytest.raises(UnusableImageError, match=message):
        pages(tmp_path / name)


def test_a_damaged_width_is_no_traceback(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], byteorder="<", **GRAY)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        offset = tiff.pages[0].tags["ImageWidth"].offset
    with (tmp_path / "a.tif").open("r+b") as file:
        file.seek(offset + 2)
        file.write(struct.pack("<H", 2))  # text
    with pytest.raises(UnusableImageError, match="cannot be decoded"):
        pages(tmp_path / "a.tif")


@pytest.mark.parametrize(("make", "name"), [(lsm, "Zeiss LSM"), (ndpi, "Hamamatsu NDPI")])
def test_what_tells_of_places_is_read_and_not_written(make, name, models, tmp_path, capsys):
    make(tmp_path / "a.tif")
    np.testing.assert_array_equal([read(page)[..., 0] for page in pages(tmp_path / "a.tif")], STACK[:1])
    assert denoise(models("identity 1"), tmp_path / "a.tif", "--output", tmp_path / "out") == 1
    assert f"a.tif: {name} files are not written" in capsys.readouterr().err


def denoise(*arguments):
    return main(["denoise", *map(str, arguments)])


def test_a_jpeg_with_a_preview_behind_it_is_one_image(models, tmp_path, capsys):
    (image,), (preview,) = frames(count=1), frames((25, 20), 1)
    image.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[preview])
    with Image.open(tmp_path / "a.jpg") as opened:
        assert opened.n_frames == 2
        expected = np.asarray(opened)
    np.testing.assert_array_equal(read(pages(tmp_path / "a.jpg")[0]), expected)
    assert denoise(models("identity 3"), tmp_path / "a.jpg", "--output", tmp_path / "out") == 0
    assert "a.jpg: left out are smaller pictures behind its image (a preview, a gain map)" in capsys.readouterr().err
    with Image.open(tmp_path / "out" / "a.jpg") as opened:
        assert (opened.format, opened.size) == ("JPEG", (50, 40))


def test_an_index_of_pictures_that_are_gone_is_no_reason(tmp_path):
    first, *rest = frames()
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=rest)
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: data.index(b"\xff\xd9\xff\xd8") + 2])
    assert [(page.height, page.width) for page in pages(tmp_path / "a.jpg")] == [(40, 50)]


def reduced(image, height, width):
    """Slow: the mean of each cell, by its own slice."""
    rows, columns = (np.arange(n + 1) * side // n for n, side in zip((height, width), image.shape, strict=False))
    cells = np.empty((height, width, *image.shape[2:]))
    for row, column in np.ndindex(height, width):
        cell = image[rows[row] : rows[row + 1], columns[column] : columns[column + 1]]
        cells[row, column] = cell.mean((0, 1), dtype=np.float64)
    return cells.astype(image.dtype) if image.dtype.kind == "f" else np.rint(cells).astype(image.dtype)


PYRAMIDS = [
    (np.uint16, (101, 75), [(51, 38), (26, 19)]),
    (np.uint8, (64, 96, 3), [(32, 48), (16, 24), (8, 12)]),
    (np.float32, (100, 75, 4), [(50, 37), (25, 18)]),
]


@pytest.mark.parametrize(("dtype", "shape", "sizes"), PYRAMIDS, ids=str)
@pytest.mark.parametrize(("inside", "flag"), [(True, 1), (True, 0), (False, 1)], ids=["below", "unmarked", "behind"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_pyramid_is_made_anew(dtype, shape, sizes, inside, flag, bigtiff, models, tmp_path, capsys):
    """Of the denoised image: here of its negative."""
    peak = 1 if dtype == np.float32 else np.iinfo(dtype).max
    images = [(RNG.random(shape) * peak).astype(dtype) for _ in range(2)]
    options = {"photometric": "rgb" if len(shape) > 2 else "minisblack", "tile": (16, 32), "metadata": None}
    options["extrasamples"] = ["unassalpha"] if shape[-1] == 4 else None
    with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=bigtiff, byteorder=">") as tiff:
        for image in images:
            tiff.write(image, subifds=len(sizes) if inside else 0, compression="zlib", **options)
            for height, width in sizes:  # old pixels, which would be stale
                tiff.write(np.full((height, width, *shape[2:]), peak, dtype), subfiletype=flag, **options)
    model = models(f"negative {3 if len(shape) > 2 else 1}")
    assert denoise(model, tmp_path / "a.tif", "--output", tmp_path / "out") == 0
    assert capsys.readouterr().err == ""
    with tifffile.TiffFile(tmp_path / "out" / "a.tif") as new, tifffile.TiffFile(tmp_path / "a.tif") as old:
        assert (new.is_bigtiff, new.byteorder, len(new.pages)) == (bigtiff, ">", len(old.pages))
        every = len(sizes) + 1
        for number, image in enumerate(images):
            top = new.pages[number if inside else number * every]
            copies = list(top.pages) if inside else new.pages[number * every + 1 : (number + 1) * every]
            np.testing.assert_allclose(top.asarray()[..., :3], (peak - image)[..., :3], rtol=1e-6, atol=1e-6)
            expected = top.asarray()
            assert [copy.aspage().shape[:2] for copy in copies] == sizes
            for copy in copies:
                expected = reduced(expected, *copy.aspage().shape[:2])
                np.testing.assert_allclose(copy.asarray(), expected, rtol=1e-6, atol=0 if peak > 1 else 1e-6)
                assert (copy.aspage().is_reduced, copy.aspage().tile) == (True, (16, 32))


def test_tiles_that_would_take_much_memory_become_strips(models, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], tile=(8192, 16), compression="zlib", **GRAY)
    assert denoise(models("identity 1"), tmp_path / "a.tif", "--output", tmp_path / "out") == 0
    with tifffile.TiffFile(tmp_path / "out" / "a.tif") as new:
        assert not new.pages[0].is_tiled
        np.testing.assert_array_equal(new.asarray(), STACK[0])


def test_what_is_no_copy_of_an_image_is_left_out_and_said(models, tmp_path, capsys):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(STACK[0], subifds=1, **GRAY)
        tiff.write(RNG.integers(0, 255, (20, 25, 3), np.uint8), subfiletype=1, photometric="rgb", metadata=None)
        tiff.write(STACK[1, :20], subfiletype=1, **GRAY)  # a label of another form
        tiff.write(STACK[1] > 9, subfiletype=4, **GRAY)
    assert denoise(models("identity 1"), tmp_path / "a.tif", "--output", tmp_path / "out") == 0
    assert "a.tif: left out are 3 smaller pictures or masks beside its images\n" in capsys.readouterr().err
    with tifffile.TiffFile(tmp_path / "out" / "a.tif") as new:
        assert [page.shape for page in new.pages] == [(40, 50)]
        assert not new.pages[0].pages


@pytest.mark.parametrize(
    ("steps", "images"),
    [
        ([1, 1, 1, 2, 2, 2, 4, 4, 4], 3),  # as PerkinElmer writes them: all channels, then all of them smaller
        ([1, 1, 2, 4], 2),
        ([1, 2, 2], 1),
        ([1, 2, 1], 1),  # the last is marked too
    ],
    ids=str,
)
def test_smaller_pages_that_may_be_of_several_images_are_left_out(steps, images, models, tmp_path, capsys):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for number, step in enumerate(steps):
            tiff.write(STACK[number % 3, ::step, ::step], subfiletype=int(number >= images), **GRAY)
    assert denoise(models("identity 1"), tmp_path / "a.tif", "--output", tmp_path / "out") == 0
    assert f"a.tif: left out are {len(steps) - images} smaller pictures" in capsys.readouterr().err
    with tifffile.TiffFile(tmp_path / "out" / "a.tif") as new:
        np.testing.assert_array_equal([page.asarray() for page in new.pages], STACK[:images])


def test_a_slide_of_aperio_keeps_its_levels(models, tmp_path, capsys):
    """Each is a page; label and macro are marked."""
    base = RNG.integers(0, 255, (96, 128, 3), np.uint8)
    sizes = [base, base[::4, ::4], base[::2, ::2], base[:20, :20], base[:20, :90]]
    with tifffile.TiffWriter(tmp_path / "a.svs") as tiff:
        for image, kind in zip(sizes, (0, 0, 0, 1, 9), strict=True):
            text = f"Aperio Image Library v12\r\n{image.shape[1]}x{image.shape[0]}|AppMag = 20|MPP = 0.5"
            options = {"tile": (16, 16)} if kind == 0 else {}
            tiff.write(image, photometric="rgb", subfiletype=kind, description=text, metadata=None, **options)
    assert denoise(models("identity 3"), tmp_path / "a.svs", "--output", tmp_path / "out") == 0
    assert "a.svs: left out are 2 smaller pictures or masks" in capsys.readouterr().err
    with tifffile.TiffFile(tmp_path / "a.svs") as old, tifffile.TiffFile(tmp_path / "out" / "a.svs") as new:
        assert len(new.pages) == 3
        for page, copied in zip(old.pages, new.pages, strict=False):
            np.testing.assert_array_equal(copied.asarray(), page.asarray())
            assert (copied.aspage().description, copied.aspage().tile) == (page.aspage().description, (16, 16))
        assert new.is_svs
