import numpy as np
import tifffile

from n2n_tf.data import raw
from n2n_tf.data.dng import write_dng


def test_a_white_level_that_followed_from_the_old_bits_is_written(tmp_path):
    path, target = tmp_path / "a.dng", tmp_path / "b.dng"
    mosaic = np.random.default_rng(0).integers(0, 4095, (64, 96), np.uint16)
    tags = [
        (33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes((0, 1, 1, 2)), True),
        (50706, 1, 4, bytes((1, 4, 0, 0)), True), (50708, 2, 0, "none", True),
        (50721, 10, 9, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1), True),
    ]  # fmt: skip
    tifffile.imwrite(path, mosaic, photometric=32803, metadata=None, bitspersample=12, extratags=tags)
    write_dng(str(path), target, iter([(0, raw.read(str(path)))]))
    with tifffile.TiffFile(target) as written:
        assert written.pages[0].tags[50717].value == 4095
    np.testing.assert_allclose(raw.read(str(target)), raw.read(str(path)), atol=1 / 4095)
