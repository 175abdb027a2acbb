"""Every file of ../shared/cases through `n2n-tf denoise` with a network that returns its input."""

import numpy as np
import pytest
import rawpy
import tifffile
from conftest import SHARED

from n2n_tf.cli.main import main

CASES = SHARED / "cases"
FILES = [path for path in sorted(CASES.rglob("*")) if path.suffix in (".tif", ".dng")]
IN_UNITS = ("camera_12bit_in_uint16.tif", "metamorph_stack.tif", "photon_counts_uint16")  # of their own: a warning
COUNTS = "photon_counts_float_0_12.tif"
PLACES = {273, 278, 279, 317, 324, 325, 330}  # where and how long strips, tiles and SubIFDs are; the predictor
ADDED = {".tif": set(), ".dng": {282, 283, 296, 50717}}  # a resolution of 1/1 without unit, WhiteLevel
CHANGED = {".tif": set(), ".dng": {258}}  # 12 bits become 16


@pytest.fixture(params=FILES or [None], ids=lambda path: str(path and path.relative_to(CASES)))
def case(request):
    if request.param is None:
        pytest.skip("the cases are not beside this checkout (../shared/cases)")
    return request.param


def tags(page):
    return {tag.code: (tag.dtype, tag.count, repr(tag.value)) for tag in page.tags if tag.code not in PLACES}


def same_tags(page, new, suffix):
    old, new = tags(page), tags(new)
    assert old.keys() <= new.keys()
    different = {code for code in new if old.get(code) != new[code]}
    assert different <= ADDED[suffix] | CHANGED[suffix]


def halved(image):
    height, width = (side // 2 for side in image.shape)
    return np.rint(image.reshape(height, 2, width, 2).mean((1, 3))).astype(image.dtype)


def test_every_case_comes_out_as_it_went_in(case, models, tmp_path, capsys):
    with tifffile.TiffFile(case) as tiff:
        channels = 4 if case.suffix == ".dng" else tiff.pages[0].samplesperpixel
    command = ["denoise", models(f"identity {channels}"), str(case), "--output", str(tmp_path / "out")]
    if case.name == COUNTS:
        assert main(command) == 1
        assert "float pixels up to 19; wanted intensities in [0, 1]: scale it" in capsys.readouterr().err
        command += ["--range", "0", "12"]
    status = main(command)
    error, result = capsys.readouterr().err, tmp_path / "out" / case.name
    warned = [line for line in error.splitlines() if "its pixels lie from" in line]
    assert bool(warned) == any(part in IN_UNITS for part in case.parts)
    assert (status, error.splitlines()) == (0, warned)
    with tifffile.TiffFile(case) as old, tifffile.TiffFile(result) as new:
        assert [(each.axes, each.shape) for each in new.series] == [(each.axes, each.shape) for each in old.series]
        for each, copied in zip(old.series, new.series, strict=True):
            np.testing.assert_array_equal(copied.asarray(), each.asarray(), strict=True)
        for name in ("ome_metadata", "geotiff_metadata", "gdal_metadata", "shaped_metadata"):
            assert getattr(new, name) == getattr(old, name), name
        for page, copied in zip(old.pages, new.pages, strict=True):
            page, copied = page.aspage(), copied.aspage()
            np.testing.assert_array_equal(copied.asarray(), page.asarray(), strict=True)
            same_tags(page, copied, case.suffix)
            for below, made in zip(page.pages or (), copied.pages or (), strict=True):
                np.testing.assert_array_equal(made.asarray(), halved(page.asarray()), strict=True)
                same_tags(below.aspage(), made.aspage(), case.suffix)


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside this checkout (../shared/cases)")
def test_libraw_sees_the_same_in_the_dng(models, tmp_path):
    path = CASES / "dng_12bit_no_whitelevel.dng"
    assert main(["denoise", models("identity 4"), str(path), "--output", str(tmp_path)]) == 0
    with rawpy.imread(str(path)) as old, rawpy.imread(str(tmp_path / path.name)) as new:
        np.testing.assert_array_equal(new.raw_image, old.raw_image)
        assert new.white_level == old.white_level == 4095
        pictures = [each.postprocess(no_auto_bright=True, output_bps=16) for each in (old, new)]
    np.testing.assert_array_equal(*pictures)
    assert pictures[0].max() > 30000  # not developed 16 times too dark


def test_none_of_the_cases_is_overlooked():
    if not CASES.is_dir():
        pytest.skip("the cases are not beside this checkout (../shared/cases)")
    assert {path for path in CASES.rglob("*") if path.is_file()} - set(FILES) == {CASES / "README.md"}
    assert COUNTS in {path.name for path in FILES}
