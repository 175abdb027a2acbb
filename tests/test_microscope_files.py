"""Files of microscopes' own formats through bioio's readers, where these are there, and out again as OME-TIFFs."""

import re

import numpy as np
import pytest
import tifffile

from n2n_tf.cli.main import main
from n2n_tf.formats.readers import pages, read
from tests.microscope_files import STACK, write_lif, write_nd2

RNG = np.random.default_rng(0)


def result_of(path, models, capsys):
    assert main(["denoise", models("negative 1"), str(path), "--output", str(path.parent / "out")]) == 0
    assert "files are not written: the results are .ome.tif files" in capsys.readouterr().err
    return tifffile.TiffFile(path.parent / "out" / f"{path.stem}.ome.tif")


def test_a_czi_file(models, tmp_path, capsys):
    pytest.importorskip("bioio_czi", reason="bioio-czi reads CZI files; under the GPL, so none of the extras brings it")
    from pylibCZIrw import czi

    path = tmp_path / "a.czi"
    with czi.create_czi(str(path)) as file:
        for t, c, z in np.ndindex(2, 2, 3):
            file.write(data=STACK[t, c, z][..., None], plane={"T": t, "C": c, "Z": z})
        names = {0: "DAPI", 1: "GFP"}
        file.write_metadata(document_name="a", channel_names=names, scale_x=2e-7, scale_y=3e-7, scale_z=5e-7)
    with result_of(path, models, capsys) as result:
        (series,) = result.series
        assert series.axes == "TCZYX"
        np.testing.assert_array_equal(series.asarray(), 65535 - STACK, strict=True)
        for told in ('Name="DAPI"', 'Name="GFP"', 'SizeX="0.2"', 'SizeY="0.3"', 'SizeZ="0.5"'):
            assert told in result.ome_metadata


def test_a_czi_file_of_colours(tmp_path):
    pytest.importorskip("bioio_czi", reason="bioio-czi reads CZI files; under the GPL, so none of the extras brings it")
    from pylibCZIrw import czi

    rgb = RNG.integers(0, 256, (2, 20, 30, 3), np.uint8)
    with czi.create_czi(str(tmp_path / "a.czi")) as file:
        for t in range(2):
            file.write(data=np.ascontiguousarray(rgb[t, ..., ::-1]), plane={"T": t, "C": 0, "Z": 0})
    with czi.open_czi(str(tmp_path / "a.czi")) as file:
        assert file.pixel_types == {0: "Bgr24"}  # by the format blue is first
    np.testing.assert_array_equal([read(page) for page in pages(tmp_path / "a.czi")], rgb)


def test_a_deltavision_file(models, tmp_path, capsys):
    pytest.importorskip("bioio_dv", reason="bioio-dv, extra `microscopy`, reads DeltaVision files")
    import mrc

    stack, path = STACK[:, 0], tmp_path / "a.dv"
    mrc.imsave(str(path), stack, metadata={"dx": 0.2, "dy": 0.2, "dz": 0.5}, zAxisOrder="tz")
    with result_of(path, models, capsys) as result:
        (series,) = result.series
        assert series.axes == "TZYX"
        np.testing.assert_array_equal(series.asarray(), 65535 - stack, strict=True)
        assert 'PhysicalSizeX="0.2' in result.ome_metadata


def test_an_nd2_file(models, tmp_path, capsys):
    """Made here: no writer is known."""
    pytest.importorskip("bioio_nd2", reason="bioio-nd2, extra `microscopy`, reads ND2 files")
    write_nd2(tmp_path / "a.nd2")
    with result_of(tmp_path / "a.nd2", models, capsys) as result:
        (series,) = result.series
        assert series.axes == "TZCYX"
        np.testing.assert_array_equal(series.asarray(), 65535 - STACK.swapaxes(1, 2), strict=True)
        for told in ('Name="DAPI"', 'Name="GFP"', 'SizeX="0.2"', 'SizeZ="0.5"', 'TimeIncrement="1.5"'):
            assert told in result.ome_metadata


def test_a_lif_file(models, tmp_path, capsys):
    """Made here: no writer is known."""
    pytest.importorskip("bioio_lif", reason="bioio-lif, extra `microscopy`, reads LIF files")
    write_lif(tmp_path / "a.lif")
    with result_of(tmp_path / "a.lif", models, capsys) as result:
        (series,) = result.series
        assert series.axes == "CZYX"
        np.testing.assert_array_equal(series.asarray(), 65535 - STACK[0], strict=True)
        assert re.findall(r'<Channel [^>]*Name="(\w+)"', result.ome_metadata) == ["Green", "Red"]
        sizes = re.findall(r'PhysicalSize[XYZ]="([^"]+)"', result.ome_metadata)
        np.testing.assert_allclose(sorted(map(float, sizes)), [0.1, 0.1, 0.5], rtol=1e-6)
