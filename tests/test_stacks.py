"""Stacks of many axes, in pages and in one piece, through our reader and writer; tifffile is the oracle."""

import struct
import tracemalloc

import numpy as np
import pytest
import tifffile

from n2n_tf.cli.main import main
from n2n_tf.data.images import find_images
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.readers import pages, read
from n2n_tf.formats.tiff import stack
from n2n_tf.formats.writers import write_like

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 65535, (3, 4, 2, 30, 40), np.uint16)  # T, Z, C
GRAY = {"photometric": "minisblack", "metadata": None}
IMAGEJ = {
    "axes": "TZCYX", "spacing": 0.5, "unit": "um", "finterval": 2.0, "mode": "composite", "Info": "written\nby hand",
    "Labels": [f"plane {number}" for number in range(24)], "Ranges": (0.0, 99.0, 0.0, 4000.0),
    "LUTs": [np.arange(768, dtype=np.uint8).reshape(3, 256)] * 2,
}  # fmt: skip
OME = {
    "axes": "TZCYX", "PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.1, "PhysicalSizeZ": 1.5,
    "TimeIncrement": 0.5, "Channel": {"Name": ["DAPI", "GFP"]}, "Plane": {"PositionX": [0.25] * 24},
}  # fmt: skip


def imagej(stack, **options):
    axes = "TZYXS" if stack.shape[-1] == 3 else "TZCYX"
    return lambda path: tifffile.imwrite(path, stack, imagej=True, metadata={**IMAGEJ, "axes": axes}, **options)


def shaped(stack, **options):
    told = {"axes": "TZCYX", "name": "a stack"}
    return lambda path: tifffile.imwrite(path, stack, photometric="minisblack", metadata=told, **options)


def ome(stack, told=OME, **options):
    return lambda path: tifffile.imwrite(path, stack, ome=True, photometric="minisblack", metadata=told, **options)


def volume(path):
    tifffile.imwrite(path, STACK[0, :, 0], photometric="minisblack", volumetric=True)


def colours(path):
    """Of each plane all red pixels, then all green ones, then the blue."""
    stack = np.ascontiguousarray(np.moveaxis(RGB[0], -1, 1))
    tifffile.imwrite(path, stack, photometric="rgb", planarconfig="separate", truncate=True)


def described(text):
    """Five planes behind one another, of which the only page is the first."""

    def make(path, planes=5):
        tifffile.imwrite(path, STACK[0, 0, 0], description=text, **GRAY)
        with path.open("ab") as file:
            file.write(STACK.reshape(-1, 30, 40)[2 : planes + 1].tobytes())
            file.write(b"and more")

    return make


def nih(path, planes=5):
    form = np.dtype(tifffile.TIFF.NIH_IMAGE_HEADER)
    head, offset = bytearray(form.itemsize), form.fields["nSlices"][1]
    head[offset : offset + 2] = struct.pack("<h", 5)
    tags = [(43314, 1, len(head), bytes(head), True)]
    tifffile.imwrite(path, STACK[0, 0, 0], byteorder="<", extratags=tags, **GRAY)
    with path.open("ab") as file:
        file.write(STACK.reshape(-1, 30, 40)[2 : planes + 1].tobytes())


def stk(path, planes=5, strips=30):
    """As MetaMorph writes them: tags of as many values as there are planes, larger than the type they claim."""
    values = b"".join(struct.pack("<6I", 3, 2, 2457389, 1000 * n, 2457389, 2000) for n in range(planes))
    ones = (500, 1) * planes
    tags = [(33628, 5, planes, ones, True), (33629, 1, len(values), values, True), (33630, 5, planes, ones, True)]
    tifffile.imwrite(path, STACK[0, 0, 0], byteorder="<", extratags=tags, rowsperstrip=strips, **GRAY)
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[0].tags[33629].offset
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(struct.pack("<HHI", 33629, 5, planes))
        file.seek(0, 2)
        file.write(STACK.reshape(-1, 30, 40)[2:6].tobytes())


RGB = RNG.integers(0, 255, (3, 4, 30, 40, 3), np.uint8)
OME_TCZ = {**OME, "axes": "TCZYX", "Channel": {"Name": ["DAPI", "GFP", "RFP", "Cy5"]}}
STACKS = {
    "ImageJ": imagej(STACK),
    "ImageJ, floats": imagej(STACK.astype(np.float32)),
    "ImageJ, compressed": imagej(STACK, compression="zlib"),
    "ImageJ, RGB": imagej(RGB),
    "ImageJ, one piece": imagej(STACK, truncate=True),
    "ImageJ, one piece of floats": imagej(STACK.astype(np.float32), truncate=True, byteorder="<"),
    "ImageJ, one piece of RGB": imagej(RGB, truncate=True),
    "tifffile": shaped(STACK),
    "tifffile, compressed": shaped(STACK, compression="zlib", tile=(16, 16)),
    "tifffile, int16": shaped(STACK.view(np.int16)),
    "tifffile, one piece": shaped(STACK, truncate=True, byteorder=">"),
    "tifffile, BigTIFF, one piece": shaped(STACK.astype(np.float64), truncate=True, bigtiff=True),
    "volume": volume,
    "volume, RGB": lambda path: tifffile.imwrite(path, RGB[0], photometric="rgb", volumetric=True),
    "planes of colours in one piece": colours,
    "NIH Image": nih,
    "MetaMorph": stk,
    "MetaMorph, strips": lambda path: stk(path, strips=7),
    "OME": ome(STACK),
    "OME, TCZ": ome(STACK, OME_TCZ),
    "OME, floats": ome(STACK.astype(np.float32), compression="zlib"),
    "OME, int16": ome(STACK.view(np.int16), bigtiff=True),
}


@pytest.mark.parametrize("make", STACKS.values(), ids=STACKS)
def test_a_stack_comes_out_as_it_went_in(make, tmp_path):
    """Each plane is an image, in the order of the file; axes, sizes, names, metadata and places stay."""
    make(tmp_path / "a.tif")
    found = pages(tmp_path / "a.tif")
    assert len(found) in (4, 5, 12, 24)
    write_like(tmp_path / "a.tif", tmp_path / "b.tif", ((page.number, read(page)) for page in found))
    with tifffile.TiffFile(tmp_path / "a.tif") as old, tifffile.TiffFile(tmp_path / "b.tif") as new:
        (series,), (copied,) = old.series, new.series
        np.testing.assert_array_equal(copied.asarray(), series.asarray(), strict=True)
        assert [(copied.axes, copied.shape, copied.name), len(new.pages)] == [
            (series.axes, series.shape, series.name),
            len(old.pages),
        ]
        for name in ("imagej", "ome", "shaped", "stk", "nih"):
            told, again = getattr(old, f"{name}_metadata"), getattr(new, f"{name}_metadata")
            np.testing.assert_equal(again, told)
        assert new.flags == old.flags


@pytest.mark.parametrize("name", sorted(set(STACKS) - {"NIH Image", "planes of colours in one piece"}))
def test_planes_are_read_in_their_order(name, tmp_path):
    STACKS[name](tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        whole = tiff.asarray()
    planes = np.stack([read(page) for page in pages(tmp_path / "a.tif")])
    np.testing.assert_array_equal(planes.reshape(whole.shape), whole, strict=True)


def test_the_axes_of_an_ome_tiff_are_read_back(tmp_path, models):
    """By the command line, of the negative; nothing of the description is lost."""
    ome(STACK)(tmp_path / "a.ome.tif")
    args = ["denoise", models("negative 1"), str(tmp_path / "a.ome.tif"), "--output", str(tmp_path / "out")]
    assert main(args) == 0
    with tifffile.TiffFile(tmp_path / "out" / "a.ome.tif") as new:
        (series,) = new.series
        assert (series.kind, series.axes, series.shape, series.dtype) == ("ome", "TZCYX", STACK.shape, np.uint16)
        np.testing.assert_array_equal(series.asarray(), 65535 - STACK)
        told = tifffile.xml2dict(new.ome_metadata)["OME"]["Image"]["Pixels"]
    assert (told["PhysicalSizeX"], told["PhysicalSizeZ"], told["PhysicalSizeXUnit"]) == (0.1, 1.5, "µm")
    assert (told["Type"], told["TimeIncrement"]) == ("uint16", 0.5)
    assert [channel["Name"] for channel in told["Channel"]] == ["DAPI", "GFP"]


def test_a_stack_in_one_piece_is_denoised_and_trained_on(tmp_path, models):
    imagej(STACK, truncate=True)(tmp_path / "a.tif")
    found = find_images([str(tmp_path / "a.tif")], 1)
    assert len(found) == 24
    np.testing.assert_array_equal(found.read(23)[0][..., 0], STACK[2, 3, 1] / np.float32(65535))
    assert main(["denoise", models("negative 1"), str(tmp_path / "a.tif"), "--output", str(tmp_path / "out")]) == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "a.tif"), 65535 - STACK)


def test_what_lies_behind_the_planes_stays(tmp_path):
    described("ImageJ=1.53t\nimages=5\nslices=5\n")(tmp_path / "a.tif")
    found = pages(tmp_path / "a.tif")
    write_like(tmp_path / "a.tif", tmp_path / "b.tif", ((page.number, read(page)) for page in found))
    assert (tmp_path / "b.tif").read_bytes() == (tmp_path / "a.tif").read_bytes()


TEXTS = [
    "ImageJ=1.53t\nimages=5\nslices=5\n",
    "ImageJ=1.53t\nimages=5\n",  # ImageJ itself needs no more; tifffile sees one plane
    "ImageJ=1.53t\nslices=5\n",
    '{"shape": [5, 30, 40], "truncated": true}',
    '{"shape": [5, 30, 40]}',
]


@pytest.mark.parametrize("text", TEXTS)
def test_planes_are_counted_by_the_description(text, tmp_path):
    described(text)(tmp_path / "a.tif")
    expected = STACK.reshape(-1, 30, 40)[[0, 2, 3, 4, 5]]
    np.testing.assert_array_equal([read(page)[..., 0] for page in pages(tmp_path / "a.tif")], expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (described(TEXTS[0]), "an ImageJ stack of 5 planes cut short: the file holds 4"),
        (described(TEXTS[2]), "an ImageJ stack of 5 planes cut short: the file holds 4"),
        (described(TEXTS[3]), "a stack of 5 planes cut short: the file holds 4"),
        (described("ImageJ=1.53t\nimages=2147483647\n"), "an ImageJ stack of 2147483647 planes cut short"),
        (described("ImageJ=1.53t\nframes=99999\nslices=99999\nchannels=99999\n"), "planes cut short"),
        (described("ImageJ=1.53t\nimages=many\n"), "cannot be decoded"),
        (nih, "an NIH Image stack of 5 planes cut short: the file holds 4"),
        (lambda path, planes: stk(path, 6), "a MetaMorph stack of 6 planes cut short: the file holds 5"),
    ],
)
def test_a_stack_that_the_file_does_not_hold_is_cut_short(make, message, tmp_path):
    make(tmp_path / "a.tif", planes=4)
    with pytest.raises(UnusableImageError, match=message):
        pages(tmp_path / "a.tif")


def test_a_shape_that_the_page_was_copied_with_is_no_stack(tmp_path):
    """Of a page that somebody took out of a stack, with all its tags."""
    tifffile.imwrite(tmp_path / "a.tif", STACK[0, 0, 0], description='{"shape": [5, 30, 40]}', **GRAY)
    (page,) = pages(tmp_path / "a.tif")
    np.testing.assert_array_equal(read(page)[..., 0], STACK[0, 0, 0])


def test_a_shape_of_pages_that_were_taken_out_is_no_stack(tmp_path):
    """Of 24, three are left; or one, compressed."""
    shaped(STACK)(tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff, tifffile.TiffWriter(tmp_path / "b.tif") as writer:
        for page in tiff.pages[:3]:
            writer.write(page.asarray(), description=page.aspage().description or None, **GRAY)
        tifffile.imwrite(
            tmp_path / "c.tif", STACK[0, 0, 0], description=tiff.pages[0].description, compression="zlib", **GRAY
        )
    assert [len(pages(tmp_path / f"{name}.tif")) for name in "bc"] == [3, 1]


def test_the_channels_of_colours_are_no_planes(tmp_path):
    """As Bio-Formats writes RGB for ImageJ."""
    text = "ImageJ=\nhyperstack=true\nimages=4\nchannels=3\nslices=4\n"
    tifffile.imwrite(tmp_path / "a.tif", RGB[0, 0], photometric="rgb", metadata=None, description=text)
    with (tmp_path / "a.tif").open("ab") as file:
        file.write(RGB[0, 1:].tobytes())
    np.testing.assert_array_equal([read(page) for page in pages(tmp_path / "a.tif")], RGB[0])


def test_a_stack_that_shrinks_while_it_is_read(tmp_path):
    described(TEXTS[0])(tmp_path / "a.tif")
    *_, last = pages(tmp_path / "a.tif")
    with (tmp_path / "a.tif").open("r+b") as file:
        file.truncate((tmp_path / "a.tif").stat().st_size - 9)
    with pytest.raises(UnusableImageError, match="cut short"):
        read(last)


def test_there_is_a_limit_of_planes(tmp_path, monkeypatch):
    STACKS["tifffile, one piece"](tmp_path / "a.tif")
    monkeypatch.setattr(stack, "MOST_PLANES", 23)
    with pytest.raises(UnusableImageError, match="a stack of 24 planes; at most 23 are read"):
        pages(tmp_path / "a.tif")


def pair(text):
    def make(path):
        with tifffile.TiffWriter(path) as tiff:
            for plane in STACK[0, :2, 0]:
                tiff.write(plane, description=text, **GRAY)

    return make


def above(path):
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(STACK[0, 0, 0], description=TEXTS[0], subifds=1, **GRAY)
        tiff.write(STACK[0, 0, 0, ::2, ::2], subfiletype=1, **GRAY)
    with path.open("ab") as file:
        file.write(STACK[:2].tobytes())


def scattered(path):
    """The strips of its first plane lie the other way round."""
    stk(path, strips=15)
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[0].tags[273]
    with path.open("r+b") as file:
        file.seek(tag.valueoffset)
        file.write(struct.pack("<2I", *tag.value[::-1]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: tifffile.imwrite(path, STACK[0, 0, 0], description=TEXTS[0], compression="zlib", **GRAY),
         "an ImageJ stack in one piece, compressed or in parts"),
        (pair(TEXTS[0]), "an ImageJ stack of 5 planes has 2 pages; wanted one for each plane, or one for all"),
        (pair('{"shape": [2, 30, 40], "truncated": true}'), "a stack of 2 planes has 2 pages"),
        (above, "an ImageJ stack of 5 planes has 2 pages"),
        (scattered, "a MetaMorph stack in one piece, compressed or in parts"),
    ],
)  # fmt: skip
def test_stacks_in_parts_are_refused(make, message, tmp_path):
    make(tmp_path / "a.tif")
    with pytest.raises(UnusableImageError, match=message):
        pages(tmp_path / "a.tif")


def test_all_planes_are_written_as_they_were(tmp_path):
    described(TEXTS[0])(tmp_path / "a.tif")
    images = [(page.number, read(page)) for page in pages(tmp_path / "a.tif")]
    with pytest.raises(UnusableImageError, match="2 of the 5 planes of an ImageJ stack are missing"):
        write_like(tmp_path / "a.tif", tmp_path / "b.tif", iter(images[:3]))
    for wrong in (images[0][1].astype(np.uint8), images[0][1][:, 1:], np.repeat(images[0][1], 3, -1)):
        with pytest.raises(UnusableImageError, match=r"in the place of a plane uint16 \(30, 40\)"):
            write_like(tmp_path / "a.tif", tmp_path / "b.tif", iter([(0, wrong)]))


@pytest.mark.parametrize("photometric", ["miniswhite", "palette"])
def test_white_is_zero_and_palettes_in_one_piece(photometric, tmp_path):
    stack = RNG.integers(0, 256, (5, 30, 40), np.uint8)
    colours = {"colormap": np.repeat(np.arange(256, dtype=np.uint16)[None] * 257, 3, 0)}
    options = colours if photometric == "palette" else {}
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric=photometric, truncate=True, **options)
    planes = np.stack([read(page)[..., 0] for page in pages(tmp_path / "a.tif")])
    np.testing.assert_array_equal(planes, 255 - stack if photometric == "miniswhite" else stack)
    write_like(tmp_path / "a.tif", tmp_path / "b.tif", ((n, plane[..., None]) for n, plane in enumerate(planes)))
    assert (tmp_path / "b.tif").read_bytes() == (tmp_path / "a.tif").read_bytes()


@pytest.mark.parametrize("in_one_piece", [True, False], ids=["one piece", "pages"])
def test_a_plane_takes_the_memory_of_a_plane(in_one_piece, tmp_path):
    """Of 64 planes of 1 MB, one is in memory, whatever is read or written."""
    plane = np.arange(2**19, dtype=np.uint16).reshape(512, 1024)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        stack = (plane + np.uint16(number) for number in range(64))
        truncate = {"truncate": True} if in_one_piece else {}
        writer.write(stack, shape=(64, 512, 1024), dtype=np.uint16, photometric="minisblack", **truncate)
    tracemalloc.start()
    found = pages(tmp_path / "a.tif")
    write_like(tmp_path / "a.tif", tmp_path / "b.tif", ((page.number, read(page)) for page in found))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * plane.nbytes
    assert len(found) == 64
    copied = tifffile.memmap(tmp_path / "b.tif") if in_one_piece else tifffile.imread(tmp_path / "b.tif")
    np.testing.assert_array_equal(copied[[0, 1, 63], 0, 0], [0, 1, 63])
