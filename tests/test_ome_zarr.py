"""OME-Zarr read: headers, windows, what is refused, and the means of smaller levels."""

import subprocess
import sys

import numpy as np
import pytest

from n2n_tf.formats import ome_zarr, zarr_place, zarr_planes
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.formats.pyramid import block_means
from tests.zarrs import RNG, change, pixels, write_image, zarr

CHUNKS = {"chunks": (1, 1, 16, 32)}


def header(path):
    """The planes of an image."""
    return zarr_planes.planes(ome_zarr.open_image(path))


def omero(document):
    """What a group's document tells of its channels."""
    return document["attributes"]["ome"]["omero"] if "attributes" in document else document["omero"]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("where", ["disk", "memory"])
def test_planes_and_windows_are_those_that_zarr_reads(version, where, tmp_path):
    path = str(tmp_path / "a.zarr") if where == "disk" else f"memory://{tmp_path.name}.zarr"
    data = pixels(2, 3, 50, 71)
    write_image(path, data, version, "tzyx", **CHUNKS)
    planes = header(path)
    assert [plane.number for plane in planes] == list(range(6))
    assert {(p.path, p.height, p.width, p.colors, p.dtype) for p in planes} == {(path, 50, 71, 1, "uint16")}
    for plane, stored in zip(planes, data.reshape(6, 50, 71), strict=True):
        np.testing.assert_array_equal(zarr_planes.read_window(plane, 13, 31, 37, 40), stored[13:50, 31:71])


@pytest.mark.parametrize("shards", [None, (1, 1, 32, 64)])
def test_a_window_reads_only_its_chunks(shards, tmp_path):
    """All other files are damaged."""
    data = pixels(1, 2, 96, 128)
    write_image(tmp_path / "a.zarr", data, 3, "czyx", chunks=(1, 1, 16, 32), shards=shards)
    mine = "0/c/0/1/1/1" if shards else "0/c/0/1/3/2"
    for file in (tmp_path / "a.zarr").glob("0/c/**/*"):
        if file.is_file() and str(file.relative_to(tmp_path / "a.zarr")) != mine:
            file.write_bytes(b"damaged")
    plane = header(str(tmp_path / "a.zarr"))[1]
    np.testing.assert_array_equal(zarr_planes.read_window(plane, 50, 70, 12, 12), data[0, 1, 50:62, 70:82])
    with pytest.raises(UnusableImageError, match="cannot be decoded"):
        zarr_planes.read_window(plane, 50, 50, 12, 20)


@pytest.mark.parametrize(
    "window", [(-1, 0, 8, 8), (0, 64, 8, 8), (43, 0, 8, 8), (0, 0, 51, 8), (0, 0, 8, 72), (0, 0, 0, 8)]
)
def test_a_window_beyond_the_plane_is_refused(window, tmp_path):
    write_image(tmp_path / "a.zarr", pixels(50, 71), chunks=(16, 16))
    (plane,) = header(str(tmp_path / "a.zarr"))
    top, left, height, width = window
    with pytest.raises(ValueError, match=f"{height}×{width} pixels at {top}, {left}: not all in 50×71"):
        zarr_planes.read_window(plane, *window)


@pytest.mark.parametrize("version", [2, 3])
def test_big_endian_pixels_come_in_the_byte_order_of_the_machine(version, tmp_path):
    data = pixels(50, 71, dtype=">u2")
    write_image(tmp_path / "a.zarr", data, version, chunks=(16, 16))
    (plane,) = header(str(tmp_path / "a.zarr"))
    window = zarr_planes.read_window(plane, 10, 20, 30, 40)
    assert (plane.dtype, window.dtype) == ("uint16", np.dtype("uint16"))
    np.testing.assert_array_equal(window, data[10:40, 20:60])


@pytest.mark.parametrize("version", [2, 3])
def test_axes_and_names_of_channels(version, tmp_path):
    path = write_image(tmp_path / "a.zarr", pixels(2, 3, 50, 71), version, "tcyx", chunks=(1, 1, 16, 32))
    change(path, lambda each: omero(each).update(channels=[{"label": "DAPI"}, {}, {"label": 488}, {"label": "none"}]))
    axes = zarr_planes.axes(ome_zarr.open_image(str(path)))
    assert (axes.letters, axes.numbers.tolist()) == ("TC", [[0, 1, 2], [3, 4, 5]])
    assert axes.channels == ("DAPI", "", "488")
    for damage in ({"channels": 5}, {"channels": [7]}, {"channels": None}):
        change(path, lambda each, damage=damage: omero(each).update(damage))
        assert zarr_planes.axes(ome_zarr.open_image(str(path))).channels == ()


def test_reading_loads_no_tensorflow(tmp_path):
    write_image(tmp_path / "a.zarr", pixels(50, 71), chunks=(16, 16))
    code = (
        "import sys; from n2n_tf.formats import ome_zarr, zarr_planes as z;"
        "z.read_window(z.planes(ome_zarr.open_image(sys.argv[1]))[0], 0, 0, 8, 8);"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.zarr")], check=True)


def test_without_zarr_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(zarr_place.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnusableImageError, match=r"needs zarr and fsspec: pip install n2n-tf\[zarr\]"):
        header("a.zarr")


def array(**changes):
    return lambda document: document.update(changes)


def image(edit):
    return lambda document: edit(document["multiscales"][0])


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("0/.zarray", array(dtype="|O", filters=[{"id": "pickle"}]), "|O pixels; wanted integers or floats"),
        ("0/.zarray", array(filters=[{"id": "pickle"}]), "its codecs: pickle; wanted some of"),
        ("1/.zarray", array(compressor={"id": "imagecodecs_jpeg"}), "array 1: its codecs: imagecodecs_jpeg"),
        ("0/.zarray", array(dtype="<c8"), "<c8 pixels"),
        ("0/.zarray", array(shape=[2**40, 2**40]), "more than 4611686018427387904 bytes"),
        ("0/.zarray", array(chunks=[2**40, 2**40]), "more than 4611686018427387904 bytes"),
        ("0/.zarray", array(chunks=[0, 16]), "wanted one positive number for each axis"),
        ("0/.zarray", array(shape=[50, -1]), "wanted one positive number for each axis"),
        ("0/.zarray", array(shape=[50, 71, 1], chunks=[16, 16, 1]), "array 0: 3 axes; its image has 2"),
        ("0/.zarray", array(compressor={}), "damaged metadata"),
        ("1/.zarray", array(dtype="|u1"), "array 1: uint8 pixels; those of 0 are uint16"),
        ("1/.zarray", array(shape=[31, 36]), "array 1: 31 pixels of 50; wanted a whole factor"),
        (".zattrs", lambda document: document.pop("multiscales"), "without multiscales"),
        (".zattrs", lambda document: document["multiscales"].append({}), "2 multiscales in one group"),
        (".zattrs", image(lambda each: each.update(version="0.3")), "OME-Zarr 0.3; wanted 0.4 or 0.5"),
        (".zattrs", image(lambda each: each["axes"].reverse()), "its axes are ['x', 'y']"),
        (".zattrs", image(lambda each: each["datasets"][0].update(path="../../0")), "wanted a name inside the group"),
        (".zattrs", image(lambda each: each["datasets"][0].update(path="9")), "array 9: is not there"),
        (".zattrs", image(lambda each: each["datasets"][0].update(path="1")), "wanted 1 to 64 apart from each other"),
        (".zattrs", image(lambda each: each.update(datasets=5)), "cannot be decoded"),
    ],
)
def test_what_cannot_be_right_is_refused_before_a_pixel_is_read(name, edit, message, tmp_path):
    path = write_image(tmp_path / "a.zarr", pixels(50, 71), 2, levels=2, chunks=(16, 16))
    change(path, edit, name)
    with pytest.raises(UnusableImageError) as error:
        header(str(path))
    assert message in str(error.value)


def test_chunks_too_large_for_a_window_are_refused(tmp_path):
    path = write_image(tmp_path / "a.zarr", pixels(50, 71), 2, levels=1, chunks=(16, 16))
    change(path, array(chunks=[40000, 40000]), "0/.zarray")
    with pytest.raises(UnusableImageError, match=r"chunks of \(40000, 40000\) pixels; at most 2147483647 bytes"):
        header(str(path))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (array(data_type="string"), "string pixels"),
        (array(storage_transformers=[{"name": "x"}]), "storage transformers"),
        (lambda each: each["codecs"].append({"name": "numcodecs.pickle"}), "its codecs: numcodecs.pickle"),
        (
            lambda each: each["codecs"][0]["configuration"]["codecs"].append({"name": "evil"}),
            "its codecs: evil",
        ),
        (
            lambda each: each["codecs"][0]["configuration"].update(chunk_shape=[2**40, 2**40]),
            "more than 4611686018427387904 bytes",
        ),
    ],
)
def test_version_3_is_held_to_the_same(edit, message, tmp_path):
    path = write_image(tmp_path / "a.zarr", pixels(50, 71), 3, chunks=(16, 16), shards=(32, 32))
    change(path, edit, "0/zarr.json")
    with pytest.raises(UnusableImageError) as error:
        header(str(path))
    assert message in str(error.value)


def test_nothing_there_and_no_json(tmp_path):
    with pytest.raises(UnusableImageError, match="no Zarr group is there"):
        header(str(tmp_path / "nothing"))
    (tmp_path / "zarr.json").write_text("{")
    with pytest.raises(UnusableImageError, match=r"zarr\.json: no JSON"):
        header(str(tmp_path))
    with pytest.raises(UnusableImageError, match="no way to this URL"):
        header("nosuch://a.zarr")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_block_means_are_those_of_a_slow_loop(dtype):
    data = (RNG.random((3, 11, 7)) * 200 - 50 * (dtype != "uint8")).astype(dtype)
    for factors, shape in (
        ((1, 2, 2), (3, 6, 4)),
        ((1, 2, 2), (3, 5, 3)),
        ((2, 3, 4), (2, 4, 2)),
        ((1, 1, 1), data.shape),
    ):
        expected = np.zeros(shape)
        for place in np.ndindex(*shape):
            block = data[tuple(slice(i * f, (i + 1) * f) for i, f in zip(place, factors, strict=True))]
            expected[place] = block.mean(dtype=np.float64)
        expected = expected if dtype == "float32" else np.rint(expected)  # halves to even
        result = block_means(data, factors, shape)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_pixels_that_are_no_numbers_are_left_out_of_means():
    data = np.float32([[1, np.nan, np.nan, np.nan], [3, 5, np.nan, np.nan]])
    np.testing.assert_array_equal(block_means(data, (2, 2), (1, 2)), [[3, np.nan]])


@pytest.mark.parametrize(
    ("shapes", "scales", "factors", "above"),
    [
        ([(101, 203), (50, 101), (25, 50)], [1, 2, 4], [2, 2], [0, 1]),  # the last pixels left out
        ([(101, 203), (51, 102), (26, 51)], [1, 2, 4], [2, 2], [0, 1]),
        ([(101, 203), (51, 102)], [1, 1.98], [2], [0]),
        ([(90, 90), (45, 45), (30, 30)], [1, 1, 1], [2, 3], [0, 0]),  # the metadata tells nothing
        ([(100, 100), (25, 25)], [0.1, 0.4], [4], [0]),
        ([(3, 3), (1, 1)], [1, 2], [2], [0]),  # it could be 3 as well
        ([(3, 3), (1, 1)], [1, 3], [3], [0]),
    ],
)
def test_how_many_times_smaller_levels_are(shapes, scales, factors, above, tmp_path):
    path = write_image(tmp_path / "a.zarr", pixels(*shapes[0]), 2, levels=len(shapes), chunks=(16, 16))
    told = [{"coordinateTransformations": [{"type": "scale", "scale": [scale] * 2}]} for scale in scales]
    change(path, image(lambda each: [level.update(new) for level, new in zip(each["datasets"], told, strict=True)]))
    for number, shape in enumerate(shapes):
        change(path, array(shape=shape), f"{number}/.zarray")
    levels = ome_zarr.open_image(str(path)).levels[1:]
    assert [level.factors for level in levels] == [(factor, factor) for factor in factors]
    assert [level.above for level in levels] == above


def test_zarr_itself_agrees_about_types_and_chunks(tmp_path):
    path = write_image(tmp_path / "a.zarr", pixels(2, 50, 71, dtype="float32"), chunks=(1, 8, 8), shards=(2, 16, 32))
    for level in ome_zarr.open_image(str(path)).levels:
        stored = zarr.open_array(path / level.path)
        assert (level.shape, level.dtype, level.chunks, level.unit) == (
            stored.shape, stored.dtype, stored.chunks, stored.shards,
        )  # fmt: skip
