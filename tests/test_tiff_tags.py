"""What other programs write into TIFFs, through `n2n-tf denoise`; read with tifffile's own reader of each."""

import json
import struct

import numpy as np
import pytest
import tifffile

from n2n_tf.cli.main import main
from n2n_tf.formats.tiff.preamble import preamble

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 65535, (2, 3, 20, 30), np.uint16)


@pytest.fixture
def denoised(models, tmp_path):
    """Path of a file -> the same denoised by a network that returns its input."""

    def run(path):
        with tifffile.TiffFile(path) as tiff:
            channels = {1: 1, 2: 1, 3: 3, 4: 3}[tiff.pages[0].samplesperpixel]
        assert main(["denoise", models(f"identity {channels}"), str(path), "--output", str(tmp_path / "out")]) == 0
        return tmp_path / "out" / path.name

    return run


def same(path, result, reader):
    """The series, their pixels and what one of tifffile's readers tells are equal; it is given back."""
    with tifffile.TiffFile(path) as old, tifffile.TiffFile(result) as new:
        shapes = [[(each.axes, each.shape, each.dtype) for each in tiff.series] for tiff in (old, new)]
        assert shapes[0] == shapes[1]
        for one, other in zip(old.series, new.series, strict=True):
            np.testing.assert_array_equal(other.asarray(), one.asarray())
        told = getattr(old, reader)
        assert told
        np.testing.assert_equal(getattr(new, reader), told)
        return told


def all_tags(path, *without):
    with tifffile.TiffFile(path) as tiff:
        return [
            {tag.code: (tag.dtype, tag.count, tag.value) for tag in page.aspage().tags if tag.code not in without}
            for page in tiff.pages
        ]


@pytest.mark.parametrize(
    ("axes", "options"),
    [
        ("ZCYX", {"mode": "composite", "Ranges": (0.0, 9.0, 1.0, 8.0, 2.0, 7.0), "spacing": 0.5, "unit": "um"}),
        ("TZYX", {"fps": 7.0, "finterval": 0.1, "loop": True}),
        ("TCYX", {"min": 3.0, "max": 900.0}),
    ],
)
def test_imagej_hyperstacks_keep_axes_luts_ranges_labels_and_overlays(axes, options, denoised, tmp_path):
    ramp = np.arange(256, dtype=np.uint8)
    drawn = {"Overlays": [b"Iout" + bytes(60)] * 2, "ROI": b"Iout" + bytes(61), "Info": "mu is \xb5"}
    labels = {"LUTs": [np.stack([ramp, ramp[::-1], ramp])] * 3, "Labels": [f"plane {n}" for n in range(6)]}
    metadata = {"axes": axes, **labels, **drawn, **options}
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=(2.5, 3.0), metadata=metadata)
    result = denoised(tmp_path / "a.tif")
    told = same(tmp_path / "a.tif", result, "imagej_metadata")
    assert {*labels, *drawn, *options} - {"loop"} <= told.keys()
    np.testing.assert_equal(all_tags(result, 273), all_tags(tmp_path / "a.tif", 273))


def test_imagej_colours_keep_their_axes(denoised, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.uint8(STACK[..., None] // 256 * [1, 0, 1]), imagej=True)
    same(tmp_path / "a.tif", denoised(tmp_path / "a.tif"), "imagej_metadata")


@pytest.mark.parametrize(
    ("reader", "code", "text"),
    [
        ("fei_metadata", 34682, "[User]\r\nUserText=a µm\r\n[Beam]\r\nHV=5000\r\n".encode()),
        ("fei_metadata", 34680, b"[System]\r\nType=DualBeam\r\n"),
        ("sem_metadata", 34118, b"\r\n\r\n0\r\n1\r\nAP_WD\r\nWD = 5.1 mm\r\nDP_TILT\r\nTilt = 1.0 \xb0\r\n"),
    ],
)
def test_electron_microscopes_keep_their_settings(reader, code, text, denoised, tmp_path):
    tag = (code, 2, len(text), text, True)
    tifffile.imwrite(tmp_path / "a.tif", STACK[0, 0], metadata=None, photometric="minisblack", extratags=[tag])
    result = denoised(tmp_path / "a.tif")
    same(tmp_path / "a.tif", result, reader)
    assert all_tags(result, 273) == all_tags(tmp_path / "a.tif", 273)


def micromanager(path, order):
    """As https://micro-manager.org/Micro-Manager_File_Formats has it."""

    def numbers(*values):
        return struct.pack(f"{order}{len(values)}I", *values)

    summary = json.dumps({"MicroManagerVersion": "2.0", "Frames": 3, "Slices": 1, "Channels": 1, "Positions": 1})
    xml = tifffile.OmeXml()
    xml.addimage("uint16", STACK[0].shape, (3, 1, 1, 20, 30, 1), axes="TYX")
    with tifffile.TiffWriter(path, byteorder=order) as tiff:
        header = numbers(54773648, 0, 483765892, 0, 99384722, 0, 2355492, len(summary))
        tiff.filehandle.write(header + summary.encode())
        for frame, image in enumerate(STACK[0]):
            tags = [(51123, 2, 0, json.dumps({"FrameIndex": frame}), True)]
            if not frame:
                tags.append((270, 2, 0, xml.tostring(), True))
            tiff.write(image, photometric="minisblack", metadata=None, extratags=tags)
    with tifffile.TiffFile(path) as tiff:
        index = [number for frame, page in enumerate(tiff.pages) for number in (0, 0, frame, 0, page.offset)]
    shown, said = b'[{"Name": "Cy5"}]', b'{"Summary": "a note"}'
    blocks = numbers(3453623, 3, *index), numbers(347834724, len(shown)) + shown, numbers(84720485, len(said)) + said
    with path.open("r+b") as file:
        for number, block in enumerate(blocks):
            end = file.seek(0, 2)
            file.write(block)
            file.seek(12 + 8 * number)
            file.write(numbers(end))


@pytest.mark.parametrize("order", "<>")
def test_micromanager_keeps_what_lies_outside_of_its_pages(order, denoised, tmp_path, capsys):
    """But for the index, by which tifffile would look for the pixels where only Micro-Manager itself has them."""
    micromanager(tmp_path / "a.tif", order)
    result = denoised(tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as old, tifffile.TiffFile(result) as new:
        told = dict(old.micromanager_metadata)
        assert told.keys() == {"Summary", "IndexMap", "DisplaySettings", "Comments", "MajorVersion"}
        del told["IndexMap"]
        assert new.micromanager_metadata == told
        assert [each.axes for each in new.series] == ["TYX"]
        np.testing.assert_array_equal(new.asarray(), STACK[0])
    assert all_tags(result, 273) == all_tags(tmp_path / "a.tif", 273)
    assert result.read_bytes()[8:16] == bytes(8)  # where the index was told of
    assert "places: Micro-Manager's index\n" in capsys.readouterr().err


def test_scanimage_keeps_its_header(denoised, tmp_path):
    texts = b"SI.LINE = 1\nSI.hZ = 2\n\0", b'{"RoiGroups": {}}'
    options = {"software": "SI.LINE = 1", "metadata": None, "photometric": "minisblack"}
    with tifffile.TiffWriter(tmp_path / "a.tif", bigtiff=True, byteorder="<") as tiff:
        tiff.filehandle.write(struct.pack("<4I", 0x07030301, 4, *map(len, texts)) + b"".join(texts))
        for image in STACK[0]:
            tiff.write(image, **options)
    told = same(tmp_path / "a.tif", denoised(tmp_path / "a.tif"), "scanimage_metadata")
    assert told == {"version": 4, "FrameData": {"SI.LINE": 1, "SI.hZ": 2}, "RoiGroups": {}}


def test_other_files_have_nothing_before_their_first_page(tmp_path):
    for bigtiff in (False, True):
        tifffile.imwrite(tmp_path / "a.tif", STACK[0], bigtiff=bigtiff)
        with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
            assert preamble(tiff) == b""


def test_geotiff_and_private_tags_are_kept(denoised, tmp_path):
    path = tmp_path / "a.tif"
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1026, 34737, 6, 0, 2057, 34736, 1, 0)
    tags = [
        (33550, 12, 3, (1.0, 2.0, 0.0), True),
        (33922, 12, 6, (0.0, 0.0, 0.0, 5e5, 4.1e6, 0.0), True),
        (34735, 3, 16, keys, True),
        (34736, 12, 1, 6378137.0, True),
        (34737, 2, 7, "WGS84|", True),
        (42112, 2, 0, '<GDALMetadata><Item name="AREA_OR_POINT">Area</Item></GDALMetadata>', True),
        (42113, 2, 0, "-9999", True),
        (51123, 2, 0, '{"a": 1}', True),
        (318, 5, 2, (3127, 10000, 3290, 10000), True),
        (65001, 4, 2, (7, 8), True),
    ]
    tifffile.imwrite(path, RNG.integers(0, 255, (8, 9, 3), np.uint8), photometric="rgb", metadata=None, extratags=tags)
    result = denoised(path)
    same(path, result, "geotiff_metadata")
    same(path, result, "gdal_metadata")
    assert all_tags(result) == all_tags(path)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_an_ome_tiff_stays_one(bigtiff, compression, denoised, tmp_path):
    path, options = tmp_path / "a.ome.tif", {"photometric": "minisblack", "compression": compression}
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as tiff:
        tiff.write(STACK, metadata={"axes": "ZCYX", "PhysicalSizeX": 0.1, "Channel": {"Name": list("abc")}}, **options)
        tiff.write(STACK[0, :, :9], metadata={"axes": "TYX", "Name": "second"}, **options)
    result = denoised(path)
    xml = same(path, result, "ome_metadata")
    assert "PhysicalSizeX" in xml
    with tifffile.TiffFile(result) as new:
        assert [each.axes for each in new.series] == ["ZCYX", "TYX"]
        assert new.is_bigtiff == bigtiff
    stored = (273, 278, 279, 317)
    assert all_tags(result, *stored) == all_tags(path, *stored)


@pytest.mark.parametrize("kind", [None, 0, 2])
def test_a_page_that_is_marked_as_one_of_many_stays_so(kind, denoised, tmp_path):
    options = {"metadata": None, "photometric": "minisblack", "subfiletype": kind}
    tifffile.imwrite(tmp_path / "a.tif", STACK[0, 0], **options, extratags=[(297, 3, 2, (0, 1), True)])
    (written,) = all_tags(denoised(tmp_path / "a.tif"))
    assert [written] == all_tags(tmp_path / "a.tif")
    assert (254 in written) == (kind is not None)


def test_what_tells_of_old_pixels_is_left_out_and_said(denoised, tmp_path, capsys):
    tags = [
        (37724, 7, 12, b"8BIMLayr" + bytes(4), True),
        (33560, 7, 60, struct.pack("<4s6xhhhhh6x32sH", b"SIS0", 1, 2, 3, 4, 5, b"name", 0), True),
        (50674, 4, 2, (4, 0), True),
        (65000, 13, 1, 8, True),
        (65001, 4, 1, 7, True),
    ]
    tifffile.imwrite(tmp_path / "a.tif", STACK[0, 0], metadata=None, photometric="minisblack", extratags=tags)
    (given,), (written,) = all_tags(tmp_path / "a.tif"), all_tags(denoised(tmp_path / "a.tif"))
    assert given.keys() - written.keys() == {37724, 33560, 50674, 65000}
    line = f"{tmp_path}/a.tif: left out is what tells of old pixels and their places: "
    assert f"{line}65000, ImageSourceData, OlympusSIS\n" in capsys.readouterr().err
