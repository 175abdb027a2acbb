"""OME-TIFFs in several files, through `n2n-tf denoise`."""

import numpy as np
import pytest
import tifffile

from n2n_tf.cli.main import main

STACK = np.random.default_rng(0).integers(0, 65535, (2, 40, 50), np.uint16)
GRAY = {"photometric": "minisblack", "metadata": None}


def denoise(*arguments):
    return main(["denoise", *map(str, arguments)])


def ome(path, *names, root="urn:uuid:0"):
    """One plane of an OME-TIFF whose planes are in the files `names`; those of this one have the `root`'s UUID."""
    data = "".join(
        f'<TiffData FirstZ="{z}" IFD="0"><UUID FileName="{name}">urn:uuid:{z}</UUID></TiffData>'
        for z, name in enumerate(names)
    )
    xml = (
        f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{root}">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeC="1" SizeT="1" '
        f'SizeX="50" SizeY="40" SizeZ="{len(names)}"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{data}'
        "</Pixels></Image></OME>"
    )
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, STACK[int(root[-1])], description=xml, **GRAY)


def test_a_set_of_ome_tiffs_is_denoised_as_one(models, tmp_path, capsys):
    """Denoised alone, or under another name, each would show the noisy pixels of the other."""
    folder, model = tmp_path / "in", models("negative 1")
    ome(folder / "a.ome.tif", "a.ome.tif", "b.ome.tif", root="urn:uuid:0")
    ome(folder / "b.ome.tif", "a.ome.tif", "b.ome.tif", root="urn:uuid:1")
    old = tifffile.imread(folder / "a.ome.tif")
    assert old.shape == (2, 40, 50)
    assert denoise(model, folder / "a.ome.tif", "--output", tmp_path / "alone") == 1
    assert "a.ome.tif: its OME-XML names b.ome.tif as a file of the image, beside it" in capsys.readouterr().err
    assert denoise(model, folder, "--suffix", "_d") == 1
    assert "2 of 2 files failed" in capsys.readouterr().err
    assert denoise(model, folder, "--output", tmp_path / "out") == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "a.ome.tif"), 65535 - old)


def test_an_ome_tiff_under_another_name_or_in_one_file_is_no_set(models, tmp_path):
    ome(tmp_path / "in" / "a.ome.tif", "before_it_was_renamed.ome.tif")
    assert denoise(models("negative 1"), tmp_path / "in", "--suffix", "_d") == 0
    ome(tmp_path / "own" / "a.ome.tif", "a.ome.tif")
    assert denoise(models("negative 1"), tmp_path / "own", "--output", tmp_path / "out") == 0


@pytest.mark.parametrize("companion", [True, False], ids=["there", "gone"])
def test_an_ome_tiff_whose_xml_lies_elsewhere(companion, models, tmp_path, capsys):
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<BinaryOnly MetadataFile="a.companion.ome" UUID="urn:uuid:1"/></OME>'
    )
    tifffile.imwrite(tmp_path / "a.ome.tif", STACK[0], description=xml, **GRAY)
    if companion:
        (tmp_path / "a.companion.ome").write_text("<OME/>")
    assert denoise(models("identity 1"), tmp_path / "a.ome.tif", "--output", tmp_path / "out") == companion
    assert ("its OME-XML names a.companion.ome" in capsys.readouterr().err) == companion


def test_an_ome_tiff_that_would_lose_a_page_it_counts_is_refused(models, tmp_path, capsys):
    xml = tifffile.OmeXml()
    xml.addimage("uint16", STACK.shape, (2, 1, 1, 40, 50, 1), axes="ZYX")
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tiff:
        tiff.write(STACK[0, :20, :20], subfiletype=1, description=xml.tostring(), **GRAY)
        tiff.write(STACK[0], **GRAY)
        tiff.write(STACK[1], **GRAY)
    assert denoise(models("identity 1"), tmp_path / "a.ome.tif", "--output", tmp_path / "out") == 1
    assert "a.ome.tif: its OME-XML counts thumbnails or masks, which are not written" in capsys.readouterr().err
    assert not (tmp_path / "out" / "a.ome.tif").exists()
