"""Camera raw files in and out. They are DNGs written here by tifffile, and the Bayer raw beside the checkout."""

import io
import json
import struct
from types import SimpleNamespace

import imagecodecs
import numpy as np
import pytest
import rawpy
import tifffile
from PIL import Image

from n2n_tf.cli.main import main
from n2n_tf.config import UsageError
from n2n_tf.data.images import find_images
from n2n_tf.evaluation.pictures import developed
from n2n_tf.formats import bayer, dng, raw, readers, writers
from n2n_tf.formats.dng_levels import CFA, raw_page
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.training.presets import build_config
from n2n_tf.training.settings import OptimizerSettings

BLACK, WHITE = 512, 4095


def write_dng(path, pattern="RGGB", size=(64, 96), area=None, sub=False, levels=BLACK, **more):
    """A DNG; in each pixel of the visible area its place and its colour can be told. Returns the frame."""
    height, width = size
    area = area or (0, 0, height, width)
    whole = np.random.default_rng(0).integers(BLACK - 40, WHITE, size).astype(np.uint16)
    letters = bytes("RGB".index(letter) for letter in pattern)
    matrix = (1, 2, -1, 10, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)
    ifd0 = [(271, 2, 0, "Maker", True), (50706, 1, 4, b"\1\4\0\0", True), (50707, 1, 4, b"\1\1\0\0", True),
            (50708, 2, 0, "Maker Model", True), (50721, 10, 9, matrix, True), (50728, 5, 3, (1, 2, 1, 1, 2, 3), True),
            (50730, 10, 1, (-1, 3), True), (50778, 3, 1, 21, True), *more.get("first", ())]  # fmt: skip
    page = [(33421, 3, 2, (2, 2), True), (33422, 1, 4, letters, True), (50714, 3, np.size(levels), levels, True),
            (50717, 3, 1, WHITE, True), (50829, 4, 4, area, True), *more.get("tags", ())]  # fmt: skip
    if np.size(levels) > 1:
        page.append((50713, 3, 2, more.get("repeat", (2, 2)), True))
    with tifffile.TiffWriter(path, byteorder=more.get("byteorder", "<")) as tiff:
        options = {"metadata": None, "software": False}
        if sub:
            tiff.write(np.zeros((16, 24, 3), np.uint8), subifds=1, subfiletype=1, extratags=ifd0, **options)
            tiff.write(whole, photometric=CFA, subfiletype=0, extratags=page, **options)
        else:
            tiff.write(whole, photometric=CFA, subfiletype=0, extratags=[*ifd0, *page], **options)
    return whole


PATTERNS = sorted(bayer.RED)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("area", [(0, 0, 64, 96), (2, 4, 60, 90), (3, 4, 60, 90), (2, 5, 60, 90), (3, 5, 61, 92)])
@pytest.mark.parametrize("sub", [False, True])
def test_the_visible_mosaic_is_read_as_its_tags_say_and_written_back(pattern, area, sub, tmp_path):
    """Also where the visible area begins in an odd row or column, which LibRaw moves."""
    whole = write_dng(tmp_path / "a.dng", pattern, area=area, sub=sub)
    visible = whole[area[0] : area[2], area[1] : area[3]]
    planes = raw.read(tmp_path / "a.dng")
    expected = bayer.pack((visible - np.float32(BLACK)) / np.float32(WHITE - BLACK), pattern)
    np.testing.assert_allclose(planes, expected, rtol=0, atol=1e-6)
    assert planes.min() < 0  # not clipped at black
    (page,) = readers.pages(tmp_path / "a.dng")
    assert (page.height, page.width, page.colors) == planes.shape
    writers.write_like(tmp_path / "a.dng", tmp_path / "b.dng", iter([(0, planes)]))
    with rawpy.imread(str(tmp_path / "a.dng")) as one, rawpy.imread(str(tmp_path / "b.dng")) as other:
        np.testing.assert_array_equal(other.raw_image, whole)  # margins too
        for name in ("sizes", "white_level", "camera_whitebalance"):
            assert getattr(one, name) == getattr(other, name)
        np.testing.assert_array_equal(one.raw_pattern, other.raw_pattern)
        np.testing.assert_array_equal(one.rgb_xyz_matrix, other.rgb_xyz_matrix)
        pictures = [each.postprocess(no_auto_bright=True, output_bps=16) for each in (one, other)]
    np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("corner", [(0, 0), (3, 0), (2, 5), (3, 5)])
def test_each_plane_has_its_black_level(pattern, corner, tmp_path):
    """Told from the corner of the visible area, wherever that is."""
    levels, (top, left) = (500, 510, 520, 530), corner
    whole = write_dng(tmp_path / "a.dng", pattern, area=(top, left, top + 60, left + 90), levels=levels)
    by_pixel = np.tile(np.reshape(levels, (2, 2)), (30, 45)).astype(np.float32)
    visible = whole[top : top + 60, left : left + 90]
    expected = bayer.pack((visible - by_pixel) / (WHITE - by_pixel), pattern)
    np.testing.assert_allclose(raw.read(tmp_path / "a.dng"), expected, rtol=0, atol=1e-6)


def tags_of(path):
    with tifffile.TiffFile(path) as tiff:
        page, first = raw_page(tiff), tiff.pages[0].aspage()
        return {tag.code: tag.value for each in (first, page) for tag in each.tags.values()}


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("sub", [False, True])
def test_the_tags_of_the_camera_stay(sub, byteorder, tmp_path):
    profile, opcode = (51041, 12, 2, (0.1, 0.2), True), (51022, 7, 4, bytes(4), True)
    write_dng(tmp_path / "a.dng", sub=sub, tags=[profile, opcode], byteorder=byteorder)
    writers.write_like(tmp_path / "a.dng", tmp_path / "b.dng", iter([(0, raw.read(tmp_path / "a.dng"))]))
    before, after = tags_of(tmp_path / "a.dng"), tags_of(tmp_path / "b.dng")
    for code in (271, 33421, 33422, 50706, 50707, 50708, 50714, 50717, 50721, 50728, 50730, 50778, 50829, 51022):
        assert after[code] == before[code], code
    assert (after[254], after[258], after[262], 51041 in after) == (0, 16, CFA, False)


def test_the_mosaics_own_tags_win_over_those_of_a_preview_before_it(tmp_path):
    name = 50936  # of the camera profile
    write_dng(tmp_path / "a.dng", sub=True, first=[(name, 2, 0, "preview", True)], tags=[(name, 2, 0, "mosaic", True)])
    writers.write_like(tmp_path / "a.dng", tmp_path / "b.dng", iter([(0, raw.read(tmp_path / "a.dng"))]))
    with tifffile.TiffFile(tmp_path / "b.dng") as tiff:
        assert tiff.pages[0].aspage().tags[name].value == "mosaic"


@pytest.mark.parametrize("sub", [False, True])
def test_exposure_stays(sub, tmp_path):
    """The EXIF directory, which tifffile does not write: pointed to from the first page."""
    write_dng(tmp_path / "a.dng", sub=sub, first=[(34664, 4, 1, 0, True)])
    data = bytearray((tmp_path / "a.dng").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.dng") as tiff:
        tag = tiff.pages[0].aspage().tags[34664]
    entries = struct.pack("<HHHII", 1, 33434, 5, 1, len(data) + 18) + bytes(4) + struct.pack("<II", 1, 125)
    data[tag.offset : tag.offset + 2] = struct.pack("<H", 34665)
    data[tag.offset + 8 : tag.offset + 12] = struct.pack("<I", len(data))
    (tmp_path / "a.dng").write_bytes(bytes(data) + entries)
    assert tags_of(tmp_path / "a.dng")[34665]["ExposureTime"] == (1, 125)
    writers.write_like(tmp_path / "a.dng", tmp_path / "b.dng", iter([(0, raw.read(tmp_path / "a.dng"))]))
    assert tags_of(tmp_path / "b.dng")[34665]["ExposureTime"] == (1, 125)


def test_the_canon_sample_comes_back_exactly(reference, tmp_path):
    path = reference.parent / "data" / "raw" / "canon_x4_bayer.dng"
    writers.write_like(path, tmp_path / "b.dng", iter([(0, raw.read(path))]))
    with rawpy.imread(str(path)) as one, rawpy.imread(str(tmp_path / "b.dng")) as other:
        np.testing.assert_array_equal(one.raw_image, other.raw_image)
        pictures = [each.postprocess(no_auto_bright=True, output_bps=16) for each in (one, other)]
    np.testing.assert_array_equal(*pictures)


def test_from_other_raw_files_the_tags_are_libraws(tmp_path):
    """A DNG under another name stands for them."""
    whole = write_dng(tmp_path / "a.nef", "GBRG", area=(2, 4, 60, 90), levels=(500, 510, 520, 530))
    writers.write_like(tmp_path / "a.nef", tmp_path / "b.dng", iter([(0, raw.read(tmp_path / "a.nef"))]))
    tags = tags_of(tmp_path / "b.dng")
    assert tags[33422] == bytes((1, 2, 0, 1))
    assert tags[50829] == (2, 4, 60, 90)
    assert tags[50714] == (500, 1, 510, 1, 520, 1, 530, 1)
    assert tags[50717] == WHITE
    np.testing.assert_allclose(np.array(tags[50728][::2]) / tags[50728][1::2], [0.5, 1, 2 / 3], atol=1e-4)
    np.testing.assert_allclose(raw.read(tmp_path / "b.dng"), raw.read(tmp_path / "a.nef"), rtol=0, atol=1e-6)
    with rawpy.imread(str(tmp_path / "b.dng")) as other:
        np.testing.assert_array_equal(other.raw_image, whole)


def test_the_tags_that_libraw_tells_only_of_some_cameras():
    frame = raw.Frame(0, 0, 4, 4, "BGGR", (1.0, 2.0, 3.0, 4.0), 100.0)
    told = SimpleNamespace(
        sizes=SimpleNamespace(flip=6),
        rgb_xyz_matrix=np.arange(12).reshape(4, 3) / 4,
        camera_whitebalance=[2.0, 1.0, 4.0, 0],
    )
    tags = {tag[0]: tag[3] for tag in dng.told_tags(told, frame)}
    assert tags[274] == 6
    assert tags[33422] == bytes((2, 1, 1, 0))
    assert tags[50714] == (4, 1, 3, 1, 2, 1, 1, 1)  # by pixel: B, G of its row, G of the red row, R
    assert tags[50721] == (0, 1, 1, 4, 1, 2, 3, 4, 1, 1, 5, 4, 3, 2, 7, 4, 2, 1)
    assert tags[50728] == (1, 2, 1, 1, 1, 4)
    told.camera_whitebalance = [2.1437, 1.0, 1.5551, 0.0]
    neutral = np.reshape({tag[0]: tag[3] for tag in dng.told_tags(told, frame)}[50728], (3, 2))
    np.testing.assert_allclose(neutral[:, 0] / neutral[:, 1], [1 / 2.1437, 1, 1 / 1.5551], rtol=1e-6)
    told.camera_whitebalance = [0.0, 0.0, 0.0, 0.0]
    assert 50728 not in {tag[0] for tag in dng.told_tags(told, frame)}


def test_what_is_no_bayer_raw_is_refused(reference, tmp_path, monkeypatch):
    folder = reference.parent / "data" / "raw"
    with pytest.raises(UnusableImageError, match="demosaiced already, or Foveon"):
        readers.pages(folder / "linear_no_cfa.dng")
    (tmp_path / "text.dng").write_text("no raw file, but of some length")
    with pytest.raises(UnusableImageError, match="LibRaw cannot read it"):
        readers.pages(tmp_path / "text.dng")
    whole = (folder / "canon_x4_bayer.dng").read_bytes()
    (tmp_path / "cut.dng").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnusableImageError, match="LibRaw cannot read it: Input/output error"):
        readers.pages(tmp_path / "cut.dng")
    write_dng(tmp_path / "large.dng")
    monkeypatch.setattr(raw, "MAX_PIXELS", 64 * 96 - 1)
    with pytest.raises(UnusableImageError, match="96×64 pixels; at most 6143 are read"):
        readers.pages(tmp_path / "large.dng")
    with pytest.raises(OSError, match="No such file"):
        raw.read(tmp_path / "no.dng")


@pytest.mark.parametrize("name", ["a.dng", "a.nef"])
def test_several_shots_in_one_file_are_refused(name, tmp_path):
    """A DNG under another name stands for the other formats."""
    whole = write_dng(tmp_path / "one.dng")
    with tifffile.TiffFile(tmp_path / "one.dng") as tiff:
        tags = [(tag.code, tag.dtype, tag.count, tag.value, True) for tag in tiff.pages[0].aspage().tags.values()
                if tag.code > 33000]  # fmt: skip
    with tifffile.TiffWriter(tmp_path / name) as tiff:
        for shot in (whole, whole + 1):
            tiff.write(shot, photometric=CFA, subfiletype=0, metadata=None, software=False, extratags=tags)
    with pytest.raises(UnusableImageError, match="it holds several shots"):
        readers.pages(tmp_path / name)


def test_raw_files_bring_their_own_defaults(tmp_path):
    write_dng(tmp_path / "a.dng")
    config = build_config({"data": [str(tmp_path)], "noise": "none"})
    flat = config.flat
    assert (flat["channels"], flat["gamma"], flat["network"]) == (4, 1.0, "residual_unet")
    assert config.crops.side(mosaic=True) == 129
    assert config.optimizer == OptimizerSettings()
    assert build_config({"data": [str(tmp_path / "a.dng")], "noise": "none", "gamma": 3.0}, "paper").method.gamma == 3.0
    paper = build_config({"data": [str(tmp_path)], "noise": "none"}, "paper")
    assert (paper.optimizer.learning_rate, paper.network.network) == (1e-4, "unet")
    assert paper.crops.side(mosaic=True) == 128
    assert len(find_images([str(tmp_path)], 4)) == 1
    assert find_images([str(tmp_path)], 4).read(0)[0].shape == (32, 48, 4)


@pytest.mark.parametrize("pattern", ["RGGB", "GBRG"])
def test_train_denoise_and_read_it_back(pattern, two_layers, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    whole = write_dng(tmp_path / "in" / "a.dng", pattern, (129, 150))
    options = ["--network", "two_layers", "--features", "4", "--patch-size", "64", "--batch-size", "2"]
    options += ["--epochs", "1", "--steps-per-epoch", "2"]
    run = str(tmp_path / "run")
    assert main(["train", "--data", str(tmp_path / "in"), "--noise", "none", *options, "--output", run]) == 0
    assert (tmp_path / "run" / "samples" / "before_after.png").is_file()
    assert main(["denoise", run, str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 0
    result = raw.read(tmp_path / "out" / "a.dng")
    assert result.shape == raw.read(tmp_path / "in" / "a.dng").shape
    with rawpy.imread(str(tmp_path / "out" / "a.dng")) as other:
        assert not np.array_equal(other.raw_image, whole)


def test_a_model_of_other_channels_is_refused(models, tmp_path, capsys):
    write_dng(tmp_path / "a.dng")
    assert main(["denoise", models("identity 3"), str(tmp_path / "a.dng"), "--output", str(tmp_path / "out")]) == 1
    assert "a raw file; this model takes images of 3 channels" in capsys.readouterr().err
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    assert main(["denoise", models("identity 4"), str(tmp_path / "b.png"), "--output", str(tmp_path / "out")]) == 1
    assert "no raw file; this model takes raw files" in capsys.readouterr().err
    assert main(["denoise", models("identity 4"), str(tmp_path / "a.dng"), "--output", str(tmp_path / "out")]) == 0
    np.testing.assert_array_equal(raw.read(tmp_path / "out" / "a.dng"), raw.read(tmp_path / "a.dng"))


@pytest.mark.parametrize(("kind", "name"), [("png", "a_rendered.png"), ("tiff", "a_rendered.tif")])
def test_libraws_rendering_can_be_had_too(kind, name, models, tmp_path):
    write_dng(tmp_path / "a.dng")
    command = ["denoise", models("identity 4"), str(tmp_path / "a.dng"), "--output", str(tmp_path / "out")]
    assert main([*command, "--render", kind]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.dng", name]
    read = imagecodecs.png_decode if kind == "png" else lambda data: tifffile.imread(io.BytesIO(data))
    with rawpy.imread(str(tmp_path / "a.dng")) as one:
        expected = one.postprocess(use_camera_wb=True, output_bps=16)
    np.testing.assert_array_equal(read((tmp_path / "out" / name).read_bytes()), expected)


def test_raw_pairs_are_scored_in_all_four_planes(models, tmp_path):
    for name in ("noisy", "clean"):
        (tmp_path / name).mkdir()
        write_dng(tmp_path / name / "a.dng")
    with tifffile.TiffFile(tmp_path / "noisy" / "a.dng") as tiff:
        offset = tiff.pages[0].aspage().dataoffsets[0]
    data = bytearray((tmp_path / "noisy" / "a.dng").read_bytes())
    mosaic = np.frombuffer(data, np.uint16, 64 * 96, offset).reshape(64, 96)
    mosaic[1::2, 1::2] = BLACK  # blue, the last plane
    (tmp_path / "noisy" / "a.dng").write_bytes(data)
    sides = [word for name in ("noisy", "clean") for word in (f"--{name}", str(tmp_path / name))]
    report = tmp_path / "report.json"
    assert main(["evaluate", models("identity 4"), *sides, "--protocol", "float", "--json", str(report)]) == 0
    (scores,) = json.loads(report.read_text())["sets"].values()
    noisy, clean = (np.clip(raw.read(tmp_path / name / "a.dng"), 0, 1) for name in ("noisy", "clean"))
    assert scores["psnr"] == pytest.approx(-10 * np.log10(np.mean((noisy - clean) ** 2, dtype=np.float64)), abs=1e-3)


def test_planes_are_developed_alike():
    noisy = np.broadcast_to(np.array([0.1, 0.2, 0.4, 0.05], np.float32), (8, 9, 4)).copy()
    denoised = noisy / 4
    images = developed({"noisy": noisy, "denoised": denoised}, "mosaic")
    np.testing.assert_allclose(images["noisy"], np.ones((8, 9, 3)), atol=1e-6)  # gray, and as bright as white
    np.testing.assert_allclose(images["denoised"], np.full((8, 9, 3), 0.5), atol=1e-6)
    noisy[:4, :, 0] = 0.05  # less red
    halves = developed({"noisy": noisy}, "mosaic")["noisy"].mean((1,))
    assert halves[0, 0] < halves[0, 1]
    assert halves[7, 0] == pytest.approx(halves[7, 1], abs=0.2)
    plain = np.random.default_rng(0).random((8, 9, 3)).astype(np.float32)
    np.testing.assert_array_equal(developed({"x": plain}, "RGB")["x"], plain)


def test_renderings_are_results_as_the_others(models, tmp_path, capsys):
    write_dng(tmp_path / "a.dng")
    command = ["denoise", models("identity 4"), str(tmp_path / "*.[dp]n*"), "--suffix", "_d", "--render", "png"]
    assert main(command) == 0
    first = sorted(path.name for path in tmp_path.iterdir())
    assert {"a_d.dng", "a_d_rendered.png"} <= set(first)
    (tmp_path / "a_d_rendered.png").write_bytes(b"mine")
    assert main(command) == 0  # what the first run left is no input of the second
    assert sorted(path.name for path in tmp_path.iterdir()) == first
    assert (tmp_path / "a_d_rendered.png").read_bytes() == b"mine"
    assert main([*command, "--overwrite"]) == 0  # nor is it replaced: it was among the inputs
    assert (tmp_path / "a_d_rendered.png").read_bytes() == b"mine"
    (tmp_path / "a_d_rendered.png").unlink()
    assert main(command) == 0  # made although the DNG was there
    assert (tmp_path / "a_d_rendered.png").exists()


def test_a_dng_keeps_the_case_of_its_suffix(models, tmp_path, capsys):
    """So that its result is not taken for another file where disks do not tell the case."""
    write_dng(tmp_path / "a.DNG")
    command = ["denoise", models("identity 4"), str(tmp_path / "a.DNG"), "--output"]
    assert main([*command, str(tmp_path / "out"), "--render", "png"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.DNG", "a_rendered.png"]
    assert main([*command, str(tmp_path)]) == 2
    assert "would be replaced by its result" in capsys.readouterr().err


def test_flips_at_inference_are_refused_too(models, tmp_path, capsys):
    write_dng(tmp_path / "a.dng")
    assert main(["denoise", models("identity 4"), str(tmp_path / "a.dng"), "--suffix", "_d", "--ensemble"]) == 2
    assert "--ensemble with a raw model" in capsys.readouterr().err


def test_what_speaks_of_the_old_file_is_dropped(tmp_path):
    old = [
        (50933, 4, 2, (100, 200), True),
        (50973, 1, 4, b"1234", True),
        (50975, 3, 1, 2, True),
        (33434, 5, 1, (1, 50), True),
    ]
    write_dng(tmp_path / "a.dng", tags=old)
    writers.write_like(tmp_path / "a.dng", tmp_path / "b.dng", iter([(0, raw.read(tmp_path / "a.dng"))]))
    tags = tags_of(tmp_path / "b.dng")
    assert not {50933, 50973, 50975} & set(tags)
    assert tags[33434] == (1, 50)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"levels": tuple(range(500, 516)), "repeat": (4, 4)}, "black level repeats after 4×4 pixels"),
        ({"tags": [(50716, 10, 64, (1, 1) * 64, True)]}, "black level differs from row to row"),
    ],
)
def test_levels_that_planes_cannot_have(more, message, tmp_path):
    write_dng(tmp_path / "a.dng", **more)
    with pytest.raises(UnusableImageError, match=message):
        raw.read(tmp_path / "a.dng")


def test_folders_of_raw_and_other_images_want_to_be_told_apart(tmp_path):
    write_dng(tmp_path / "a.dng")
    (tmp_path / "a.jpg").write_bytes(b"x")
    flags = {"data": [str(tmp_path)], "noise": "none"}
    with pytest.raises(UsageError, match="holds raw files and others: say `channels` 4"):
        build_config(flags)
    assert build_config({**flags, "channels": 4}).method.gamma == 1.0
    assert build_config({**flags, "channels": 3}).method.gamma == 2.0
    assert build_config({"data": [str(tmp_path / "*.[dD][nN][gG]")], "noise": "none"}).images.channels == 4


@pytest.mark.parametrize("value", [0, BLACK])
def test_a_file_that_ends_in_nothing_is_refused(value, tmp_path):
    """As a download leaves it that reserved its space first; LibRaw itself says nothing."""
    path = tmp_path / "a.dng"
    whole = write_dng(path, size=(640, 96))
    data = path.read_bytes()
    place = data.index(whole[64].tobytes())
    end = data.index(whole[-1].tobytes()) + whole[-1].nbytes
    path.write_bytes(data[:place] + np.full((end - place) // 2, value, np.uint16).tobytes() + data[end:])
    with rawpy.imread(str(path)) as opened:
        assert (opened.raw_image == value).mean() > 0.89
    with pytest.raises(UnusableImageError, match="last rows are all alike"):
        readers.pages(path)
    assert raw.rendered(path).shape == (640, 96, 3)  # what is denoised may be flat


@pytest.mark.parametrize("part", [0.02, 0.5, 0.999])
def test_a_file_cut_short_is_refused(part, tmp_path):
    path = tmp_path / "a.dng"
    write_dng(path, size=(640, 96))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(UnusableImageError, match="LibRaw cannot read it"):
        readers.pages(path)


def test_a_saturated_end_is_none(tmp_path):
    path = tmp_path / "a.dng"
    whole = write_dng(path)
    data = path.read_bytes()
    place = data.index(whole[-2].tobytes())
    path.write_bytes(data[:place] + np.full((2, 96), WHITE, np.uint16).tobytes() + data[place + 4 * 96 :])
    assert (raw.read(path)[-1] == 1).all()


def test_a_monochrome_camera_is_called_so(tmp_path):
    tags = [(50706, 1, 4, b"\1\4\0\0", True), (50708, 2, 0, "Maker Model", True)]
    gray = np.random.default_rng(0).integers(BLACK, WHITE, (64, 96), np.uint16)
    tifffile.imwrite(tmp_path / "a.dng", gray, photometric="minisblack", metadata=None, extratags=tags)
    with tifffile.TiffFile(tmp_path / "a.dng", mode="r+") as tiff:
        tiff.pages[0].tags[262].overwrite(34892)  # LinearRaw
    with pytest.raises(UnusableImageError, match=r"monochrome camera.*gray TIFF"):
        readers.pages(tmp_path / "a.dng")
