"""Microscopes' own formats: what we make of what bioio's readers tell."""

import datetime
import sys
import types
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
import tifffile

from n2n_tf.cli.main import main
from n2n_tf.data.images import find_images
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.readers import axes, pages, read
from n2n_tf.formats.table import FORMATS, format_of

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 65536, (2, 2, 3, 40, 50), np.uint16)  # T, C, Z, Y, X
FIRST = {"Zeiss CZI": b"ZISRAWFILE", "Nikon ND2": b"\xda\xce\xbe\n", "Leica LIF": b"p\0\0\0"}
SUFFIXES = {"Zeiss CZI": ".czi", "Nikon ND2": ".nd2", "Leica LIF": ".lif", "DeltaVision": ".dv"}


class Lazy:
    """As dask's arrays."""

    def __init__(self, make):
        self.make = make

    def compute(self, scheduler):
        assert scheduler == "synchronous"
        return self.make()


class Reader:
    """As bioio's: scenes of different sizes, each with tiles of a mosaic or without. Takes down what is read."""

    scenes = ("field one", "field two")
    stacks = ("CMZYX", STACK.swapaxes(0, 1)), ("TZYX", STACK[:, 0, :, :30])
    channel_names = property(lambda self: ["DAPI", "far red"] if self.at == 0 else [np.int64(0)])
    time_interval = datetime.timedelta(seconds=1.5)
    dtype = np.dtype(">u2")
    read = None

    def __init__(self, path, **options):
        self.at = 0

    def set_scene(self, number):
        self.at = number

    @property
    def dims(self):
        return types.SimpleNamespace(order=self.stacks[self.at][0], shape=self.stacks[self.at][1].shape)

    @property
    def physical_pixel_sizes(self):
        return types.SimpleNamespace(Z=0.5, Y=0.25, X=0.2) if self.at == 0 else types.SimpleNamespace(Z=None, Y=0, X=1)

    def get_image_dask_data(self, inside, **place):
        letters, stack = self.stacks[self.at]

        def make():
            self.read.append((self.at, place))
            return stack[tuple(place[axis] for axis in letters if axis not in inside)].astype(self.dtype)

        return Lazy(make)


class Indexed(Reader):
    """One whose arrays are not lazy; colours, blue first."""

    scenes = ("one",)
    dtype = np.dtype("u1")
    stack = RNG.integers(0, 256, (2, 20, 30, 3), np.uint8)
    stacks = (("TYXS", stack),)

    def get_image_data(self, inside, T):  # noqa: N803
        assert inside == "YXS"
        return self._read_indexed(T)

    def _read_indexed(self, number):
        return self.stack[number]


def given_reader(monkeypatch, reader, package="bioio_czi"):
    module = types.ModuleType(package)
    module.__spec__, module.Reader = ModuleSpec(package, None), reader
    monkeypatch.setitem(sys.modules, package, module)
    reader.read = []


@pytest.fixture
def czi(tmp_path, monkeypatch):
    given_reader(monkeypatch, Reader)
    path = tmp_path / "in" / "a.czi"
    path.parent.mkdir()
    path.write_bytes(b"ZISRAWFILE\0\0\0\0\0\0")
    return path


def test_every_plane_of_every_scene(czi):
    found = pages(czi)
    assert len(found) == 2 * 2 * 3 + 2 * 3
    assert {(page.height, page.width, page.kind, page.dtype) for page in found[:12]} == {(40, 50, "gray", "uint16")}
    assert {page.height for page in found[12:]} == {30}
    first, second = axes(czi)
    assert (first.letters, first.sizes, first.channels) == ("MCZ", {"M": 2, "C": 2, "Z": 3}, ("DAPI", "far red"))
    assert (first.name, second.name) == ("field one", "field two")
    assert (first.steps, second.steps) == ({"Z": 0.5, "Y": 0.25, "X": 0.2}, {"X": 1.0, "T": 1.5})
    assert (second.letters, second.channels) == ("TZ", ())
    for place in np.ndindex(2, 2, 3):
        np.testing.assert_array_equal(read(found[first.numbers[place]])[..., 0], STACK[place], strict=True)
    np.testing.assert_array_equal(read(found[second.numbers[1, 2]])[..., 0], STACK[1, 0, 2, :30])


def test_a_plane_alone_is_read(czi):
    found = pages(czi)
    assert Reader.read == []
    read(found[4])
    assert Reader.read == [(0, {"M": 0, "C": 1, "Z": 1})]


def test_results_are_ome_tiffs(czi, models, tmp_path, capsys):
    assert main(["denoise", models("negative 1"), str(czi.parent), "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err
    assert said.count("Zeiss CZI files are not written: the results are .ome.tif files") == 1
    with tifffile.TiffFile(tmp_path / "out" / "a.ome.tif") as result:
        shapes = [(each.axes, each.shape, each.dtype) for each in result.series]
        assert shapes == [*[("CZYX", (2, 3, 40, 50), np.uint16)] * 2, ("TZYX", (2, 3, 30, 50), np.uint16)]
        for tile in range(2):
            np.testing.assert_array_equal(result.series[tile].asarray(), 65535 - STACK[tile])
        np.testing.assert_array_equal(result.series[2].asarray(), 65535 - STACK[:, 0, :, :30])
        xml = result.ome_metadata
    for name in ("field one", "field two", "DAPI", "far red"):
        assert f'Name="{name}"' in xml
    for size in ('X="0.2" PhysicalSizeXUnit="µm"', 'Y="0.25"', 'Z="0.5"'):
        assert f"PhysicalSize{size}" in xml
    assert 'TimeIncrement="1.5" TimeIncrementUnit="s"' in xml
    assert len(Reader.read) == 18  # each once


def test_training_reads_them(czi):
    images = find_images([str(czi.parent)], channels=1, picked=["DAPI"], smallest_side=32)
    assert [page.number for page in images.pages] == [0, 1, 2, 6, 7, 8]  # the second scene has no such axis
    np.testing.assert_array_equal(images.read(4)[0][..., 0], STACK[1, 0, 1] / np.float32(65535))


def test_colours_that_come_blue_first(czi, monkeypatch, models, tmp_path):
    given_reader(monkeypatch, Indexed)
    czi.write_bytes(b"ZISRAWFILE\0\0\0\0\0\0 other")
    found = pages(czi)
    assert [(page.kind, page.channels) for page in found] == [("RGB", 3)] * 2
    np.testing.assert_array_equal(read(found[1]), Indexed.stack[1, ..., ::-1])
    assert main(["denoise", models("identity 3"), str(czi), "--output", str(tmp_path)]) == 0
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as result:
        np.testing.assert_array_equal(result.asarray(), Indexed.stack[..., ::-1])
        assert result.pages[0].photometric == tifffile.PHOTOMETRIC.RGB


def test_a_file_that_changed_is_read_anew(czi, monkeypatch):
    assert len(pages(czi)) == 18
    monkeypatch.setattr(Reader, "scenes", ("field one",))
    assert len(pages(czi)) == 18
    czi.write_bytes(czi.read_bytes() + b"more")
    assert len(pages(czi)) == 12


@pytest.mark.parametrize("name", SUFFIXES)
def test_without_a_reader(name, tmp_path, monkeypatch, models, capsys):
    """Known by first bytes, whatever the name, and what to install is told."""
    package = f"bioio-{SUFFIXES[name][1:]}"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    path = tmp_path / f"a{SUFFIXES[name]}"
    path.write_bytes(FIRST.get(name, bytes(96) + b"\xa0\xc0") + bytes(90))
    with pytest.raises(UnusableImageError, match=f"a {name} file needs {package}: pip install"):
        pages(path)
    assert main(["denoise", models("identity 1"), str(path), "--output", str(tmp_path / "out")]) == 1
    wanted = "bioio-czi (under the GPL" if name == "Zeiss CZI" else "n2n-tf[microscopy]"
    assert f"pip install {wanted}" in capsys.readouterr().err
    if name in FIRST:
        assert format_of(path.rename(tmp_path / "a.image")) is FORMATS[name]
