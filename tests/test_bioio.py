"""Results as bioio, which others read microscope images with, sees them: axes, scale, names and type of the source."""

import numpy as np
import pytest
import tifffile

from n2n_tf.cli.main import main

bioio = pytest.importorskip("bioio", reason="many packages, so in none of the extras: pip install bioio bioio-ome-tiff")
RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 65536, (2, 2, 3, 40, 50), np.uint16)  # T, C, Z, Y, X
TOLD = {
    "axes": "TCZYX", "Channel": {"Name": ["DAPI", "GFP"]}, "PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "µm",
    "PhysicalSizeY": 0.3, "PhysicalSizeYUnit": "µm", "PhysicalSizeZ": 0.5, "PhysicalSizeZUnit": "µm",
    "TimeIncrement": 2.0, "TimeIncrementUnit": "s",
}  # fmt: skip


def seen(image):
    """What bioio tells of an image, but its pixels."""
    units = {axis: str(getattr(image.dimension_properties, axis).unit) for axis in "TZYX"}
    names = [str(name) for name in image.channel_names]
    return image.dims.order, image.dims.shape, image.dtype, names, tuple(image.scale), units, image.scenes


def denoised(path, models, folder):
    assert main(["denoise", models("negative 1"), str(path), "--output", str(folder)]) == 0
    return bioio.BioImage(path), bioio.BioImage(folder / path.name)


def same_but_pixels(source, result):
    assert seen(result) == seen(source)
    assert source.scale[2:] == (0.5, 0.3, 0.2)
    np.testing.assert_array_equal(result.data, 65535 - source.data, strict=True)
    np.testing.assert_array_equal(source.data, STACK)


def test_an_ome_tiff(models, tmp_path):
    pytest.importorskip("bioio_ome_tiff", reason="pip install bioio-ome-tiff")
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, STACK, ome=True, photometric="minisblack", metadata=TOLD)
    source, result = denoised(path, models, tmp_path / "out")
    same_but_pixels(source, result)
    assert seen(source)[:4] == ("TCZYX", STACK.shape, np.uint16, ["DAPI", "GFP"])
    other = tmp_path / "b.ome.tif"
    tifffile.imwrite(other, STACK, ome=True, photometric="minisblack", metadata={**TOLD, "PhysicalSizeX": 0.1})
    assert seen(bioio.BioImage(other)) != seen(source)  # the check can fail


@pytest.mark.parametrize("version", [2, 3])
def test_an_ome_zarr(version, models, tmp_path):
    pytest.importorskip("bioio_ome_zarr", reason="pip install bioio-ome-zarr")
    from bioio_ome_zarr.writers import Channel, OMEZarrWriter

    path = tmp_path / "a.ome.zarr"
    writer = OMEZarrWriter(
        str(path), [STACK.shape, (2, 2, 3, 20, 25)], "uint16", zarr_format=version, image_name="cells",
        channels=[Channel(label="DAPI", color="0000FF"), Channel(label="GFP", color="00FF00")],
        axes_units=["second", None, *["micrometer"] * 3], physical_pixel_size=[2, 1, 0.5, 0.3, 0.2],
    )  # fmt: skip
    writer.write_full_volume(STACK)
    source, result = denoised(path, models, tmp_path / "out")
    same_but_pixels(source, result)
    assert seen(source)[3:5] == (["DAPI", "GFP"], (2, 1, 0.5, 0.3, 0.2))
    assert result.resolution_levels == source.resolution_levels == (0, 1)
