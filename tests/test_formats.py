"""The table of formats: what a file is by its first bytes, and what it costs to add another."""

import struct
import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from test_raw import write_dng

from n2n_tf.cli.main import main
from n2n_tf.config import IMAGE_SUFFIXES, RAW_SUFFIXES
from n2n_tf.data.images import Images, find_images
from n2n_tf.data.sources import source_from_json
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.format import Format
from n2n_tf.formats.page import KINDS, Page, kind_of
from n2n_tf.formats.readers import pages, read
from n2n_tf.formats.table import FORMATS, format_of, suffixes

RNG = np.random.default_rng(0)
GRAY, RGB = RNG.integers(0, 256, (20, 30), np.uint8), RNG.integers(0, 256, (20, 30, 3), np.uint8)


def alpha(path):
    Image.fromarray(np.dstack([RGB, GRAY])).save(path)


def palette(path):
    Image.fromarray(RGB).quantize(16).save(path)


@pytest.mark.parametrize(
    ("name", "make", "form", "kind", "channels", "dtype"),
    [
        ("a.png", Image.fromarray(RGB).save, "PNG", "RGB", 3, "uint8"),
        ("a.png", alpha, "PNG", "RGB", 4, "uint8"),
        ("a.png", palette, "PNG", "RGB", 3, "uint8"),
        ("a.png", Image.fromarray(np.dstack([GRAY, GRAY])).save, "PNG", "gray", 2, "uint8"),
        ("a.png", lambda path: path.write_bytes(imagecodecs.png_encode(np.uint16(RGB))), "PNG", "RGB", 3, "uint16"),
        ("a.jpg", Image.fromarray(GRAY).save, "JPEG", "gray", 1, "uint8"),
        ("a.bmp", Image.fromarray(GRAY > 99).save, "BMP", "gray", 1, "bool"),
        ("a.gif", palette, "GIF", "RGB", 3, "uint8"),
        ("a.webp", alpha, "WebP", "RGB", 4, "uint8"),
        ("a.tif", lambda path: tifffile.imwrite(path, np.float32(GRAY)), "TIFF", "gray", 1, "float32"),
        ("a.tif", lambda path: tifffile.imwrite(path, RGB), "TIFF", "RGB", 3, "uint8"),
        ("a.dng", write_dng, "camera raw",
         "mosaic", 4, "uint16"),
    ],
)  # fmt: skip
def test_what_a_header_tells(name, make, form, kind, channels, dtype, tmp_path):
    make(tmp_path / name)
    assert format_of(tmp_path / name) is FORMATS[form]
    (page,) = pages(tmp_path / name)
    assert (page.kind, page.channels, page.dtype) == (kind, channels, dtype)
    assert page.colors == {"gray": 1, "RGB": 3, "mosaic": 4}[kind]
    assert read(page).shape == (page.height, page.width, channels)


def _toy_header(path):
    height, width = struct.unpack("<4xHH", Path(path).read_bytes()[:8])
    return [Page(path, 0, height, width, 1, kind_of(1), "uint8")]


def _toy_read(path, _):
    page, data = _toy_header(path)[0], Path(path).read_bytes()[8:]
    return np.frombuffer(data, np.uint8).reshape(page.height, page.width)


def _toy_write(source, target, images):
    target.write_bytes(Path(source).read_bytes()[:8] + next(images)[1].tobytes())


TOY = Format("Toy", (b"TOY!",), frozenset({".toy"}), _toy_header, _toy_read, _toy_write)


def test_a_line_in_the_table_is_all_a_format_needs(models, tmp_path, monkeypatch):
    """Found in folders, listed for training, read, denoised and written; no other file of the package is touched."""
    monkeypatch.setitem(FORMATS, "Toy", TOY)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.toy").write_bytes(b"TOY!" + struct.pack("<HH", *GRAY.shape) + GRAY.tobytes())
    found = find_images([str(tmp_path / "in")], channels=1)
    assert [page.path for page in found.pages] == [str(tmp_path / "in" / "a.toy")]
    np.testing.assert_array_equal(found.read(0)[0][..., 0], GRAY / np.float32(255))
    assert main(["denoise", models("negative 1"), str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 0
    written = (tmp_path / "out" / "a.toy").read_bytes()
    np.testing.assert_array_equal(np.frombuffer(written[8:], np.uint8).reshape(GRAY.shape), 255 - GRAY)


def test_a_folder_may_be_an_image(tmp_path, monkeypatch):
    """By a file in it that marks the format; what else lies in it is none of ours."""

    def header(path):
        return [Page(path, 0, *np.load(Path(path) / "0.npy").shape, 1, "gray", "uint8")]

    form = Format("Heap", (), frozenset(), header, lambda path, _: np.load(Path(path) / "0.npy"), marks={"heap.json"})
    monkeypatch.setitem(FORMATS, "Heap", form)
    heap = tmp_path / "in" / "one"
    heap.mkdir(parents=True)
    np.save(heap / "0.npy", GRAY)
    (heap / "heap.json").touch()
    Image.fromarray(GRAY).save(heap / "preview.png")
    for given in (tmp_path / "in", heap, tmp_path / "in" / "o*"):
        assert [page.path for page in find_images([str(given)], 1).pages] == [str(heap)]
    np.testing.assert_array_equal(read(pages(heap)[0])[..., 0], GRAY)
    with pytest.raises(UnusableImageError, match="a folder, and no image"):
        pages(tmp_path)


def test_the_settings_know_no_suffix_that_the_table_does_not():
    """They ask for suffixes before anything else is loaded."""
    assert suffixes() >= IMAGE_SUFFIXES | RAW_SUFFIXES


def test_formats_load_no_tensorflow():
    """The command line lists its formats before the settings are checked."""
    code = "import sys, n2n_tf.formats.readers, n2n_tf.formats.writers; print({'tensorflow', 'keras'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_images_that_an_earlier_version_saved():
    """Six fields: without kind and type, with whether it is a raw mosaic."""
    old = [["a.png", 0, 9, 8, 1, False], ["a.tif", 2, 9, 8, 4, False], ["a.dng", 0, 9, 8, 4, True]]
    images = source_from_json({"pages": old, "skipped": {}}, 1)
    assert [(page.kind, page.colors, page.is_raw) for page in images.pages] == [
        ("gray", 1, False), ("RGB", 3, False), ("mosaic", 4, True),
    ]  # fmt: skip
    assert [[page.path, page.number, page.height, page.width, page.channels] for page in images.pages] == [
        each[:5] for each in old
    ]


def test_saved_images_come_back():
    found = [Page("a.tif", number, 9, 8, 7, kind, "int16") for number, kind in enumerate(KINDS)]
    saved = Images(found, 7, {}).to_json()
    assert source_from_json(saved, 7).pages == found
    for wrong in (["a.tif", 0, 9, 8, 7, "grey", ""], ["a.tif", 0, 9, 8, 7, "gray"], ["a.tif", 0, 9, 8, 7, "gray", 0]):
        with pytest.raises(ValueError, match="no image"):
            source_from_json({"pages": [wrong], "skipped": {}}, 7)
