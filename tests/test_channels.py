"""Some channels alone: denoised into files that hold no others, prepared, and by what they are called."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import tifffile
from PIL import Image

import n2n_tf
from n2n_tf.cli.main import main
from n2n_tf.config import UsageError
from n2n_tf.formats.readers import axes
from n2n_tf.training.presets import build_config
from tests.test_stacks import OME, STACK, STACKS, ome

ZARR = pytest.mark.skipif(find_spec("zarr") is None, reason="zarr 3 wants Python 3.11: pip install n2n-tf[zarr]")


def denoise(model, path, channel, out, *more):
    return main(["denoise", model, str(path), "--channel", *channel, "--output", str(out), *more])


@pytest.mark.parametrize(("channel", "places"), [(["GFP"], [1]), (["1"], [0]), (["2", "DAPI"], [0, 1])])
def test_an_ome_tiff_of_some_channels(channel, places, models, tmp_path, capsys):
    STACKS["OME"](tmp_path / "a.ome.tif")
    assert denoise(models("negative 1"), tmp_path / "a.ome.tif", channel, tmp_path / "out") == 0
    assert f"channel {', '.join(channel)}: {12 * len(places)} of 24 planes" in capsys.readouterr().err
    with tifffile.TiffFile(tmp_path / "out" / "a.ome.tif") as result:
        np.testing.assert_array_equal(result.asarray(), (65535 - STACK[:, :, places]).squeeze(), strict=True)
        told = tifffile.xml2dict(result.ome_metadata)["OME"]["Image"]["Pixels"]
    names = told["Channel"] if isinstance(told["Channel"], list) else [told["Channel"]]
    assert [each["Name"] for each in names] == [["DAPI", "GFP"][place] for place in places]
    for key, value in OME.items():
        if key.startswith(("Physical", "Time")):
            assert told[key] == value, key


def test_the_order_of_the_planes_is_the_descriptions(models, tmp_path):
    """OME-XML may give any page any place."""
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCTZ" Type="uint16" SizeC="2" SizeT="3" SizeX="40" SizeY="30" '
        'SizeZ="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/><Channel ID="Channel:0:1" Name="far red"/>'
        + "".join(f'<TiffData FirstC="{n % 2}" FirstT="{n // 2}" IFD="{5 - n}"/>' for n in range(6))
        + "</Pixels></Image></OME>"
    )
    planes = STACK.reshape(-1, 30, 40)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        for number in range(6):
            described = {} if number else {"description": xml.encode()}
            tiff.write(planes[number], photometric="minisblack", metadata=None, **described)
    assert denoise(models("identity 1"), tmp_path / "a.tif", ["far red"], tmp_path / "out") == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out" / "a.tif"), planes[[4, 2, 0]])


def test_imagej_stacks_keep_their_sizes(models, tmp_path):
    told = {"axes": "TZCYX", "unit": "nm", "spacing": 500, "finterval": 2.0}
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, metadata=told, resolution=(1 / 200, 1 / 100))
    assert denoise(models("identity 1"), tmp_path / "a.tif", ["2"], tmp_path / "out") == 0
    with tifffile.TiffFile(tmp_path / "out" / "a.tif") as result:
        np.testing.assert_array_equal(result.asarray(), STACK[:, :, 1])
        pixels = tifffile.xml2dict(result.ome_metadata)["OME"]["Image"]["Pixels"]
    sizes = [pixels[key] for key in ("PhysicalSizeX", "PhysicalSizeY", "PhysicalSizeZ", "TimeIncrement")]
    np.testing.assert_allclose(sizes, [0.2, 0.1, 0.5, 2.0])
    assert (pixels["PhysicalSizeXUnit"], pixels["TimeIncrementUnit"]) == ("µm", "s")


@pytest.mark.parametrize(
    ("told", "steps"),
    [
        ({"PhysicalSizeX": 2, "PhysicalSizeXUnit": "nm"}, {"X": 0.002}),
        ({"PhysicalSizeX": 2}, {"X": 2}),  # OME's default
        ({"PhysicalSizeX": 2, "PhysicalSizeXUnit": "pixel"}, {}),
        ({"PhysicalSizeY": 0.0}, {}),
        ({"TimeIncrement": 3, "TimeIncrementUnit": "min"}, {"T": 180}),
    ],
)
def test_units(told, steps, tmp_path):
    ome(STACK, {"axes": "TZCYX", **told})(tmp_path / "a.tif")
    assert axes(tmp_path / "a.tif")[0].steps == pytest.approx(steps)


def test_planes_of_further_axes_are_images_of_their_own(models, tmp_path):
    told = {"axes": "RCYX"}
    tifffile.imwrite(tmp_path / "a.tif", STACK[:, 0], photometric="minisblack", metadata=told)
    assert axes(tmp_path / "a.tif")[0].letters == "RC"
    assert denoise(models("identity 1"), tmp_path / "a.tif", ["2"], tmp_path / "out") == 0
    with tifffile.TiffFile(tmp_path / "out" / "a.tif") as result:
        np.testing.assert_array_equal([each.asarray() for each in result.series], STACK[:, 0, 1])


def test_a_name_that_no_file_has(models, tmp_path, capsys):
    STACKS["OME"](tmp_path / "a.ome.tif")
    data = [str(tmp_path / "a.ome.tif")]
    commands = (
        ["train", "--data", *data, "--noise", "none"],
        ["prepare", "images", *data, "--output", str(tmp_path / "shards"), "--crop-size", "64", "--step", "64"],
        ["denoise", models("identity 1"), *data, "--output", str(tmp_path / "out")],
    )
    for command in commands:
        assert main([*command, "--channel", "GFB"]) == 2
        said = capsys.readouterr().err
        assert f"--channel GFB: {data[0]}: channel 'GFB' is not there; it has DAPI, GFP, and numbers 1 to 2" in said
        assert "did you mean 'GFP'" in said
    assert not (tmp_path / "out" / "a.ome.tif").exists()


def test_a_name_that_some_files_have(models, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    STACKS["OME"](tmp_path / "in" / "a.ome.tif")
    STACKS["OME, TCZ"](tmp_path / "in" / "b.ome.tif")  # of other names
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "in" / "c.png")
    assert denoise(models("identity 1"), tmp_path / "in", ["Cy5"], tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "a.ome.tif: channel 'Cy5' is not there; it has DAPI, GFP" in said
    assert "c.png: has no axis of channels to pick from; leave --channel out for such files" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.ome.tif"]


def test_from_python(tmp_path, models):
    STACKS["OME"](tmp_path / "a.ome.tif")
    outcome = n2n_tf.denoise_files(models("identity 1"), tmp_path / "a.ome.tif", tmp_path / "out", channel=2)
    (result,) = outcome.written.values()
    np.testing.assert_array_equal(tifffile.imread(result), STACK[:, :, 1])


def test_shards_of_one_channel(tmp_path, capsys):
    stack = np.random.default_rng(0).integers(0, 256, (2, 80, 90)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}})
    command = ["prepare", "images", str(tmp_path / "a.ome.tif"), "--output", str(tmp_path / "shards")]
    command += ["--crop-size", "64", "--step", "64"]
    assert main([*command, "--channel", "GFP"]) == 0
    manifest = json.loads((tmp_path / "shards" / "shards.json").read_text())
    assert manifest["channels"] == 1
    assert [name.rpartition("_")[-1] for name in manifest["shards"]] == ["1.tfrecord"]  # the page, from 0
    capsys.readouterr()
    assert main([*command, "--channel", "DAPI"]) == 2  # the crops there are of another channel
    assert "channel" in capsys.readouterr().err


@pytest.mark.parametrize(("toml", "value"), [("2", (2,)), ('"2"', ("2",)), ('["DAPI", 2]', ("DAPI", 2))])
def test_numbers_in_toml(toml, value, tmp_path):
    (tmp_path / "a.toml").write_text(f'data = "x"\nnoise = "none"\nchannel = {toml}\n')
    assert build_config({}, toml=tmp_path / "a.toml").images.channel == value


def test_no_channels_in_toml(tmp_path):
    for wrong in ("2.0", "true"):
        (tmp_path / "a.toml").write_text(f'data = "x"\nnoise = "none"\nchannel = {wrong}\n')
        with pytest.raises(UsageError, match="`channel`: got"):
            build_config({}, toml=tmp_path / "a.toml")


def omero(group):
    """What OME's viewer reads of a group's metadata."""
    attributes = group.get("attributes", group)
    return attributes.get("ome", attributes)["omero"]


@ZARR
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(("channel", "places"), [(["GFP"], [1]), (["3", "DAPI"], [0, 2])])
def test_an_ome_zarr_of_some_channels(version, channel, places, models, tmp_path):
    from tests.zarrs import change, documents, pixels, write_image, zarr

    stack, source = pixels(2, 3, 1, 70, 64), tmp_path / "a.ome.zarr"
    write_image(source, stack, version, levels=2, chunks=(1, 2, 1, 32, 32))
    names = ["DAPI", "GFP", "far red"]
    colours = [{"label": name, "color": f"0000F{number}"} for number, name in enumerate(names)]
    change(source, lambda group: omero(group).update(channels=colours))
    assert denoise(models("negative 1"), source, channel, tmp_path / "out") == 0
    result = zarr.open_group(str(tmp_path / "out" / "a.ome.zarr"), mode="r")
    np.testing.assert_array_equal(result["0"][...], 65535 - stack[:, places])
    assert result["1"].shape == (2, len(places), 1, 35, 32)
    old, new = documents(source), documents(tmp_path / "out" / "a.ome.zarr")
    assert old.keys() == new.keys()
    for name, document in old.items():  # nothing else has changed
        if "shape" in document:
            document["shape"][1] = len(places)
        elif "label" in json.dumps(document):
            omero(document)["channels"] = [colours[place] for place in places]
        assert new[name] == document, name


@ZARR
def test_an_ome_zarr_without_the_channel(models, tmp_path, capsys):
    from tests.zarrs import pixels, write_image

    write_image(tmp_path / "a.zarr", pixels(1, 2, 1, 40, 40))
    assert denoise(models("identity 1"), tmp_path / "a.zarr", ["DAPY"], tmp_path / "out") == 2
    assert "it has DAPI, and numbers 1 to 2; did you mean 'DAPI'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    write_image(tmp_path / "b.zarr", pixels(40, 40))
    assert denoise(models("identity 1"), tmp_path / "b.zarr", ["1"], tmp_path / "out") == 1
    assert "has no axis of channels to pick from" in capsys.readouterr().err
