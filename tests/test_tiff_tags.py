import numpy as np
import tifffile

from n2n_tf.data import readers
from n2n_tf.data.writers import WRITERS

RNG = np.random.default_rng(0)


def rewritten(path):
    target = path.with_name("new" + path.name)
    WRITERS["TIFF"](str(path), target, ((page.number, readers.read(page)) for page in readers.pages(path)))
    return target


def test_geotiff_and_private_tags_are_kept(tmp_path):
    path = tmp_path / "a.tif"
    tags = [
        (33550, 12, 3, (1.0, 2.0, 0.0), True),
        (34735, 3, 4, (1, 1, 0, 0), True),
        (42113, 2, 0, "-9999", True),
        (51123, 2, 0, '{"a": 1}', True),
        (65001, 4, 2, (7, 8), True),
    ]
    tifffile.imwrite(path, RNG.integers(0, 255, (8, 9, 3), np.uint8), photometric="rgb", metadata=None, extratags=tags)
    with tifffile.TiffFile(path) as old, tifffile.TiffFile(rewritten(path)) as new:
        np.testing.assert_array_equal(new.asarray(), old.asarray())
        for code in (tag[0] for tag in tags):
            assert new.pages[0].tags[code].value == old.pages[0].tags[code].value
        assert new.geotiff_metadata == old.geotiff_metadata


def test_an_ome_tiff_stays_one(tmp_path):
    path, image = tmp_path / "a.ome.tif", RNG.integers(0, 9, (2, 3, 8, 9), np.uint16)
    tifffile.imwrite(path, image, photometric="minisblack", metadata={"axes": "ZCYX", "PhysicalSizeX": 0.1})
    with tifffile.TiffFile(path) as old, tifffile.TiffFile(rewritten(path)) as new:
        assert new.ome_metadata == old.ome_metadata
        assert [each.axes for each in new.series] == ["ZCYX"]
        np.testing.assert_array_equal(new.asarray(), image)
