"""Tags of a DNG whose defaults, or whose truth, depend on what the writer changes: bits, curve, noise."""

import numpy as np
import pytest
import rawpy
import tifffile

from n2n_tf.formats import raw
from n2n_tf.formats.dng import write_dng

AREA = (4, 6, 60, 90)
FRAME = {  # their defaults are the frame's size, the visible area, 1, or unknown; none is written where it was not
    50711: (3, 1, 1), 50713: (3, 2, (1, 1)), 50714: (3, 1, 64), 50718: (5, 2, (1, 1, 1, 1)), 50719: (4, 2, (2, 2)),
    50720: (4, 2, (80, 50)), 50731: (5, 1, (3, 2)), 50734: (5, 1, (9, 10)), 50829: (4, 4, AREA),
    50830: (4, 4, (0, 0, 64, 6)),
}  # fmt: skip


def write(path, bits, *tags):
    """A DNG of packed pixels, which tifffile writes as bytes."""
    mosaic = np.random.default_rng(0).integers(0, 2**bits - 1, (64, 96), np.uint16)
    tags = [
        (33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes((0, 1, 1, 2)), True),
        (50706, 1, 4, bytes((1, 4, 0, 0)), True), (50708, 2, 0, "none", True),
        (50721, 10, 9, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1), True), *tags,
    ]  # fmt: skip
    by_bits = np.unpackbits(mosaic.astype(">u2").view(np.uint8).reshape(64, 96, 2), axis=-1)[..., -bits:]
    packed = np.packbits(by_bits.reshape(64, -1), axis=-1)
    tifffile.imwrite(path, packed, photometric=32803, metadata=None, byteorder=">", extratags=tags)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags["ImageWidth"].overwrite(96)
        tiff.pages[0].tags["BitsPerSample"].overwrite(bits)
    return mosaic


def tags_of(path):
    with tifffile.TiffFile(path) as tiff:
        return {tag.code: tag.value for tag in tiff.pages[0].tags}


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_a_white_level_that_followed_from_the_old_bits_is_written(bits, tmp_path):
    path, target = tmp_path / "a.dng", tmp_path / "b.dng"
    mosaic = write(path, bits)
    write_dng(str(path), target, iter([(0, raw.read(str(path)))]))
    assert tags_of(target)[50717] == 2**bits - 1
    np.testing.assert_allclose(raw.read(str(target)), raw.read(str(path)), atol=2.0**-bits)
    with rawpy.imread(str(target)) as new:
        np.testing.assert_array_equal(new.raw_image, mosaic)
        assert new.white_level == 2**bits - 1


def test_a_white_level_that_followed_from_a_curve_is_written(tmp_path):
    path, target = tmp_path / "a.dng", tmp_path / "b.dng"
    curve = np.minimum(np.arange(4096) * 5, 16383).astype(np.uint16)
    mosaic = write(path, 12, (50712, 3, 4096, tuple(curve.tolist()), True))
    write_dng(str(path), target, iter([(0, raw.read(str(path)))]))
    with rawpy.imread(str(path)) as old, rawpy.imread(str(target)) as new:
        np.testing.assert_array_equal(new.raw_image, curve[mosaic])
        np.testing.assert_array_equal(new.raw_image, old.raw_image)
        assert new.white_level == old.white_level
    assert 50712 not in tags_of(target)


@pytest.mark.parametrize("given", [True, False])
def test_what_depends_on_nothing_that_changes_stays_as_it_is(given, tmp_path):
    path, target = tmp_path / "a.dng", tmp_path / "b.dng"
    write(path, 12, *((code, *told, True) for code, told in FRAME.items() if given))
    write_dng(str(path), target, iter([(0, raw.read(str(path)))]))
    old, new = tags_of(path), tags_of(target)
    assert {code: new.get(code) for code in FRAME} == {code: old.get(code) for code in FRAME}
    assert (old.keys() >= FRAME.keys()) == given
    with rawpy.imread(str(path)) as one, rawpy.imread(str(target)) as other:
        assert one.sizes == other.sizes
        assert one.black_level_per_channel == other.black_level_per_channel


def test_what_was_true_of_the_noise_is_left_out(tmp_path):
    path, target = tmp_path / "a.dng", tmp_path / "b.dng"
    write(path, 12, (50935, 5, 1, (0, 1), True), (51041, 12, 2, (1e-4, 1e-6), True))
    write_dng(str(path), target, iter([(0, raw.read(str(path)))]))
    assert not {50935, 51041} & tags_of(target).keys()
