"""Image files to shards; SIDD's are in test_sidd.py."""

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image
from test_raw import write_dng

from n2n_tf.cli.main import main
from n2n_tf.data.manifest import TRAIN, VAL
from n2n_tf.data.shards import open_shards
from n2n_tf.formats import raw, readers

RNG = np.random.default_rng(0)
SIZE = ["--crop-size", "64", "--step", "32"]


def prepare(folder, output, *more):
    return main(["prepare", "images", str(folder), "--output", str(output), *SIZE, *more])


def crops_of(source, name):
    """Of one shard, by row and column."""
    found = {}
    kinds = {"row": tf.int64, "column": tf.int64, "key": tf.string}
    places = {name: tf.io.FixedLenFeature([], kind) for name, kind in kinds.items()}
    for record in tf.data.TFRecordDataset(f"{source.folder}/{name}", "GZIP"):
        row, column, key = (tf.io.parse_single_example(record, places)[name].numpy() for name in kinds)
        assert key.decode() == f"{name.partition('/')[2].removesuffix('.tfrecord')} {row} {column}"
        found[int(row), int(column)] = source.load(record)[0].numpy()
    return found


def test_crops_are_the_pixels_of_the_files(photos, tmp_path, capsys):
    Image.new("RGB", (63, 80)).save(photos / "small.png")
    assert prepare(photos, tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "63×80 pixels, smaller than the 64×64 needed" in said
    source = open_shards(str(tmp_path / "out"), TRAIN)
    assert (len(source.counts), source.dtype, source.channels) == (12, "uint8", 3)
    for number in (0, 1):  # a JPEG and a PNG
        (path,) = photos.glob(f"{number:02d}.*")
        image = np.asarray(Image.open(path)) / 255
        (name,) = (name for name in source.counts if f"/{number:02d}." in name)
        crops = crops_of(source, name)
        assert {row for row, _ in crops} == {0, image.shape[0] - 64}
        for (row, column), crop in crops.items():
            np.testing.assert_allclose(crop, image[row : row + 64, column : column + 64], atol=1e-7)


def test_depth_is_kept_or_refused(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    deep, flat = RNG.integers(0, 65536, (64, 64)).astype(np.uint16), RNG.integers(0, 256, (64, 64)).astype(np.uint8)
    Image.fromarray(deep).save(tmp_path / "in" / "deep.png")
    Image.fromarray(flat).save(tmp_path / "in" / "flat.png")
    Image.fromarray(flat > 99).save(tmp_path / "in" / "bits.png")
    assert prepare(tmp_path / "in", tmp_path / "8", "--channels", "1") == 0
    said = capsys.readouterr().out
    assert "uint16 pixels, which uint8 would round; say --dtype uint16 or float32" in said
    assert "--channels 1 --noise none" in said
    for dtype in ("uint16", "float32"):
        assert prepare(tmp_path / "in", tmp_path / dtype, "--channels", "1", "--dtype", dtype) == 0
        source = open_shards(str(tmp_path / dtype), TRAIN)
        crops = {name.split("/")[-1].split(".")[0]: crops_of(source, name)[0, 0][..., 0] for name in source.counts}
        for name, expected in (("deep", deep / 65535), ("flat", flat / 255), ("bits", flat > 99)):
            np.testing.assert_allclose(crops[name], expected, atol=1e-7)


@pytest.mark.parametrize("pattern", ["RGGB", "GRBG"])
def test_raw_files_are_cut_as_planes(pattern, tmp_path):
    (tmp_path / "in").mkdir()
    write_dng(tmp_path / "in" / "a.dng", pattern, (150, 170))
    assert prepare(tmp_path / "in", tmp_path / "out", "--channels", "4", "--crop-size", "128") == 0
    source = open_shards(str(tmp_path / "out"), TRAIN)
    (name,) = source.counts
    planes = raw.read(tmp_path / "in" / "a.dng")
    for (row, column), crop in crops_of(source, name).items():
        np.testing.assert_array_equal(crop, planes[row : row + 64, column : column + 64])


def test_held_out_images_are_others(photos, two_layers, tmp_path, capsys):
    (tmp_path / "val").mkdir()
    Image.new("RGB", (64, 64), "gray").save(tmp_path / "val" / "a.png")
    assert prepare(photos, tmp_path / "out", "--val-data", str(tmp_path / "val")) == 0
    assert list(open_shards(str(tmp_path / "out"), VAL).counts.values()) == [1]
    assert prepare(photos, tmp_path / "other", "--val-data", str(photos / "03.png")) == 2
    assert "03.png is among the images to train on too" in capsys.readouterr().err
    options = ["--network", "two_layers", "--features", "4", "--patch-size", "64", "--batch-size", "2"]
    options += ["--epochs", "1", "--steps-per-epoch", "2"]
    run = ["train", "--data", str(tmp_path / "out"), "--noise", "gaussian", *options]
    assert main([*run, "--output", str(tmp_path / "run")]) == 0
    assert "held-out images: noisy 20" in capsys.readouterr().out


def test_pages_of_one_file_and_files_of_one_name_have_shards_of_their_own(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / "in" / folder).mkdir(parents=True)
        Image.new("L", (64, 64)).save(
            tmp_path / "in" / folder / "same.tif", save_all=True, append_images=[Image.new("L", (64, 64), 255)]
        )
    assert prepare(tmp_path / "in", tmp_path / "out", "--channels", "1") == 0
    assert len(open_shards(str(tmp_path / "out"), TRAIN).counts) == 4


def test_names_that_file_systems_do_not_take(tmp_path):
    (tmp_path / "in").mkdir()
    names = ["x" * 230 + ".png", os.fsdecode(b"\xff?.png"), "a b%.png", "字" * 70 + ".png"]
    for name in names:
        Image.new("L", (64, 64)).save(tmp_path / "in" / name)
    assert prepare(tmp_path / "in", tmp_path / "out", "--channels", "1") == 0
    assert len(open_shards(str(tmp_path / "out"), TRAIN).counts) == 4


def test_a_second_run_follows_the_images(photos, tmp_path, capsys):
    """One that is gone is no longer listed, one that changed is cut again, one that moved to the other side moves."""
    out = tmp_path / "out"
    assert prepare(photos, out) == 0
    before = set(open_shards(str(out), TRAIN).counts)
    times = {path.name: path.stat().st_mtime_ns for path in out.rglob("*.tfrecord")}
    (photos / "01.png").unlink()
    Image.new("RGB", (64, 64), "gray").save(photos / "03.png")
    (tmp_path / "photos2").mkdir()
    shutil.move(photos / "05.png", tmp_path / "photos2" / "05.png")
    capsys.readouterr()
    assert prepare(photos, out, "--val-data", str(tmp_path / "photos2")) == 0
    assert "2 shards of images that are not among these are no longer listed" in capsys.readouterr().out
    training, held_out = (open_shards(str(out), split) for split in (TRAIN, VAL))
    assert set(training.counts) == before - {"train/photos/01.png.tfrecord", "train/photos/05.png.tfrecord"}
    assert list(held_out.counts) == ["val/photos2/05.png.tfrecord"]
    assert training.counts["train/photos/03.png.tfrecord"] == 1
    now = {path.name: path.stat().st_mtime_ns for path in (out / "train").rglob("*.tfrecord")}
    assert {name for name in now if now[name] != times[name]} == {"03.png.tfrecord"}


def test_two_images_of_one_name_are_told(photos, tmp_path, capsys):
    shutil.copytree(photos, tmp_path / "b" / "photos")
    assert prepare(photos, tmp_path / "out", "--val-data", str(tmp_path / "b" / "photos")) == 0
    assert "12 files were skipped" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["ram://prepared", "FOLDER"])
def test_the_command_that_is_told_works_as_it_stands(place, tmp_path, capsys):
    """With all defaults of raw, which want larger images than other tests."""
    write_dng(tmp_path / "a.dng", size=(530, 520))
    place = place.replace("FOLDER", str(tmp_path / "out"))
    assert main(["prepare", "images", str(tmp_path / "a.dng"), "--output", place, "--channels", "4"]) == 0
    told = capsys.readouterr().out.strip().splitlines()[-1].partition("n2n-tf ")[2].split()
    few = ["--network", "dncnn", "--features", "2", "--batch-size", "1", "--epochs", "1", "--steps-per-epoch", "1"]
    assert main([*told, *few, "--output", str(tmp_path / "run")]) == 0


def test_a_file_that_breaks_is_passed_over(photos, tmp_path, capsys, monkeypatch):
    (photos / "03.png").write_bytes((photos / "03.png").read_bytes()[:2000])
    assert prepare(photos, tmp_path / "out") == 0
    assert "1 files were skipped" in capsys.readouterr().out
    assert len(open_shards(str(tmp_path / "out"), TRAIN).counts) == 11
    monkeypatch.setattr(readers, "read", lambda page: 1 / 0)  # nothing is read again but the one that failed
    with pytest.raises(ZeroDivisionError):
        prepare(photos, tmp_path / "out")
    (photos / "03.png").unlink()
    assert prepare(photos, tmp_path / "out") == 0


@pytest.mark.parametrize(
    ("more", "status", "message"),
    [
        (["--channels", "1"], 1, "no usable image"),
        (["--val-data", "no/such"], 2, "--val-data no/such: no such folder or file"),
        (["--dtype", "uint9"], 2, "invalid choice: 'uint9'"),
        (["--crop-sise", "64"], 2, "did you mean --crop-size?"),
        (["--crop-size", "62"], 2, "--crop-size 62: wanted an even number from 64 to 8192"),
        (["--crop-size", "20000"], 2, "--crop-size 20000: wanted an even number from 64 to 8192"),
        (["--step", "66"], 2, "--step 66: wanted an even number, at least 2, at most --crop-size 64"),
        (["--output", ""], 2, "--output: is empty"),
        (["--output", "s3://bucket/x"], 1, "File system scheme 's3' not implemented"),
        (["--val-scenes", "1"], 2, "unrecognized arguments: --val-scenes"),
    ],
)
def test_settings_that_cannot_be_right(more, status, message, photos, tmp_path, capsys):
    try:
        found = prepare(photos, tmp_path / "out", *more)
    except SystemExit as stopped:
        found = stopped.code
    assert found == status
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_raw_files_are_not_rounded(tmp_path, capsys):
    (tmp_path / "a.dng").touch()
    more = "--channels", "4", "--dtype", "uint8", "--crop-size", "128"
    assert prepare(tmp_path / "a.dng", tmp_path / "out", *more) == 2
    assert "--dtype uint8: would round raw files" in capsys.readouterr().err


def test_crops_of_five_channels_tell_their_kind(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 5), np.uint8)
    (tmp_path / "in").mkdir()
    layout = {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": (0,) * 4}
    tifffile.imwrite(tmp_path / "in/a.tif", image, **layout)
    assert prepare(tmp_path / "in", tmp_path / "out", "--channels", "5") == 0
    manifest = json.loads((tmp_path / "out/shards.json").read_text())
    assert (manifest["kind"], manifest["channels"]) == ("channels", 5)
    np.testing.assert_array_equal(next(open_shards(str(tmp_path / "out"), "train").samples(1)), image)


def test_an_image_of_the_same_size_that_changed_is_cut_again(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for turn, gray in enumerate((50, 150)):
        Image.new("L", (64, 64), gray).save(folder / "a.bmp")
        os.utime(folder / "a.bmp", (10**9 + turn, 10**9 + turn))
        assert prepare(folder, out, "--channels", "1") == 0
        source = open_shards(str(out), TRAIN)
        (name,) = source.counts
        np.testing.assert_allclose(crops_of(source, name)[0, 0], gray / 255, atol=1e-7)
