"""Where in a file the planes along time, depth and channels are; tifffile's own series are the oracle."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from test_ome import ome as one_of_several
from test_stacks import GRAY, RGB, STACK, STACKS, described

from n2n_tf.formats.readers import axes, pages, read


@pytest.mark.parametrize("name", sorted(set(STACKS) - {"NIH Image", "planes of colours in one piece"}))
def test_every_plane_is_where_the_axes_say(name, tmp_path):
    STACKS[name](tmp_path / "a.tif")
    (found,) = axes(tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        (series,) = tiff.series
        whole, letters = series.asarray(), series.axes
    assert found.letters == letters.replace("YX", "").replace("S", "")
    by_number = [read(page) for page in pages(tmp_path / "a.tif")]
    for place in np.ndindex(found.numbers.shape):
        np.testing.assert_array_equal(by_number[found.numbers[place]].squeeze(), whole[place])


def test_sizes_names_and_neighbours(tmp_path):
    STACKS["OME"](tmp_path / "a.tif")
    (found,) = axes(tmp_path / "a.tif")
    assert (found.sizes, found.channels) == ({"T": 3, "Z": 4, "C": 2}, ("DAPI", "GFP"))
    order = np.arange(24).reshape(3, 4, 2)
    assert found.along("Z", order[1, 2, 0]) == order[1, :, 0].tolist()
    assert found.along("T", order[1, 2, 1]) == order[:, 2, 1].tolist()
    with pytest.raises(ValueError, match="page 24: is none of these planes"):
        found.along("Z", 24)
    with pytest.raises(ValueError, match="substring"):
        found.along("R", 0)


def test_the_order_is_the_descriptions_not_the_files(tmp_path):
    """OME-XML may give any page any place."""
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCTZ" Type="uint16" SizeC="2" SizeT="3" SizeX="40" SizeY="30" '
        'SizeZ="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/><Channel ID="Channel:0:1" Name="far red"/>'
        + "".join(f'<TiffData FirstC="{n % 2}" FirstT="{n // 2}" IFD="{5 - n}"/>' for n in range(5))
        + "</Pixels></Image></OME>"
    )
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for number, plane in enumerate(STACK.reshape(-1, 30, 40)[:6]):
            tiff.write(plane, description=None if number else xml.encode(), **GRAY)
    (found,) = axes(tmp_path / "a.tif")
    assert (found.letters, found.channels) == ("TC", ("", "far red"))
    np.testing.assert_array_equal(found.numbers, [[5, 4], [3, 2], [1, -1]])  # the last is described by nobody


def test_planes_in_another_file_are_nowhere(tmp_path):
    for number, name in enumerate(("a.ome.tif", "b.ome.tif")):
        one_of_several(tmp_path / name, "a.ome.tif", "b.ome.tif", root=f"urn:uuid:{number}")
    (found,) = axes(tmp_path / "b.ome.tif")
    np.testing.assert_array_equal(found.numbers, [-1, 0])


def test_pages_that_nothing_describes(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for plane in STACK[0, :, 0]:
            tiff.write(plane, **GRAY)
    (found,) = axes(tmp_path / "a.tif")
    assert (found.letters, found.numbers.tolist(), found.channels) == ("I", [0, 1, 2, 3], ())


def test_a_stack_of_which_tifffile_sees_one_plane(tmp_path):
    described("ImageJ=1.53t\nimages=5\n")(tmp_path / "a.tif")
    (found,) = axes(tmp_path / "a.tif")
    assert (found.letters, found.numbers.tolist()) == ("I", [0, 1, 2, 3, 4])


def test_an_image_has_no_further_axes(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RGB[0, 0], metadata=None)
    (found,) = axes(tmp_path / "a.tif")
    assert (found.letters, found.numbers.tolist()) == ("", 0)
    Image.fromarray(RGB[0, 0]).save(tmp_path / "a.png")
    assert axes(tmp_path / "a.png") == []
