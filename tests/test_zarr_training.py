"""Training on OME-Zarr images: as on the same planes in a TIFF, but read in windows."""

import collections
import dataclasses
import itertools
import json
import shutil
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
import tifffile

import n2n_tf
from n2n_tf.cli.main import main
from n2n_tf.config import RunError, UsageError
from n2n_tf.data import windowed, zarr_images
from n2n_tf.data.numbered import draws_of
from n2n_tf.data.pipeline import held_out_pair, training_batches
from n2n_tf.data.sources import source_from_json
from n2n_tf.formats import zarr_place
from n2n_tf.training.build import build_recipe
from n2n_tf.training.data import find_data
from n2n_tf.training.divergence import StopAtNaN
from n2n_tf.training.rundir import RunDirectory
from tests.runs import assert_same_state, flags, rows, small
from tests.zarrs import RNG, change, pixels, write_image, zarr

pytestmark = pytest.mark.usefixtures("two_layers")

NAMES = ["DAPI", "GFP", "488"]
TOGETHER = {"channels": 1, "noise": "none", "range": [0.0, 60000.0]}


def write_zarr(path, data, version=3, axes=None, chunks=(32, 48), **others):
    """Chunks of one plane each."""
    chunks = (1,) * (data.ndim - 2) + chunks
    path = write_image(path, data, version, axes, **{"levels": 2, "chunks": chunks, **others})
    change(path, lambda each: omero(each).update(channels=[{"label": name} for name in NAMES]))
    return path


def omero(document):
    return document["attributes"]["ome"]["omero"] if "attributes" in document else document["omero"]


def write_both(folder, data, axes, version=3):
    """The same planes in a Zarr and in a TIFF."""
    given = {"axes": axes.upper(), "Channel": {"Name": NAMES}}
    tifffile.imwrite(folder / "a.ome.tif", data.astype(data.dtype.newbyteorder("=")), ome=True, metadata=given)
    return write_zarr(folder / "a.ome.zarr", data, version, axes), folder / "a.ome.tif"


def found(path, **settings):
    return find_data(small(path, **{**TOGETHER, **settings}))


def batches(images, count, **settings):
    config = small("x", **{**TOGETHER, **settings})
    return [pair[0].numpy() for pair in training_batches(images, build_recipe(config), 3).take(count)]


def assert_same_rows(one, other, names=None):
    """Of the last epoch; logs only: their sums may round differently."""
    one, other = rows(one)[-1], rows(other)[-1]
    for name in names or one:
        assert float(other[name]) == pytest.approx(float(one[name]), rel=1e-5)


# as TIFFs are


@pytest.mark.parametrize(
    "settings",
    [
        {"noise": "none", "channel": ["GFP"], "val_data": True},
        {"noise": "gaussian", "noise_once": True, "channel": ["3", "DAPI"], "range": ["dtype"]},
    ],
    ids=["held-out images apart", "frozen noise"],
)
def test_a_run_is_that_on_the_same_planes_in_a_tiff(settings, tmp_path):
    places = write_both(tmp_path, pixels(2, 3, 2, 80, 90), "tczyx")
    for name, place in zip(("zarr", "tiff"), places, strict=True):
        more = {"val_data": [str(place)]} if settings.get("val_data") else {}
        n2n_tf.train(small(place, **{"channels": 1, "epochs": 1, **settings, **more}), tmp_path / name)
    assert_same_state(tmp_path / "zarr", tmp_path / "tiff")
    assert_same_rows(tmp_path / "zarr", tmp_path / "tiff")
    one, other = (json.loads((tmp_path / name / "report.json").read_text()) for name in ("zarr", "tiff"))
    assert one["scores"] == pytest.approx(other["scores"], rel=1e-5)
    for name in ("scored_images", "value_range", "training_images"):
        assert one[name] == other[name]
    assert ("psnr" in one["scores"]) == (settings["noise"] == "gaussian")


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", ["uint8", ">u2", "int16", "uint32", "float32"])
def test_crops_and_what_is_held_out_are_those_of_a_tiff(dtype, version, tmp_path):
    data = pixels(1, 11, 530, 600, dtype=dtype, most=200)
    if dtype == "float32":
        data[:, :, 100:300:20, 100:300:10] = np.nan
        data[:, :, 105:300:20, 100:300:10] = np.inf
    (one, scored), (other, also) = (
        found(place, range=[0.0, 150.0]) for place in write_both(tmp_path, data, "czyx", version)
    )
    assert (len(one), len(scored)) == (len(other), len(also)) == (10, 1)
    for crops in zip(batches(one, 12), batches(other, 12), strict=True):
        np.testing.assert_array_equal(*crops)
    config = small("x", **TOGETHER)
    pairs = [held_out_pair(images, 0, None, config.run.seed)[0] for images in (scored, also)]
    assert pairs[0].shape == (512, 512, 1)
    np.testing.assert_array_equal(*pairs)


def test_the_range_of_a_large_plane_is_measured_all_over_it(tmp_path, caplog):
    """Brighter from left to right: its middle, or any one window, has a sixth of the range."""
    caplog.set_level("INFO")
    data = (np.linspace(0, 50000, 3000) + RNG.normal(1000, 100, (3000, 3000))).astype(np.uint16)
    write_zarr(tmp_path / "a.zarr", data, chunks=(256, 256), levels=1)
    training, _ = found(tmp_path / "a.zarr", range=["auto"])
    low, high = np.percentile(data, (0.1, 99.9))
    assert list(training.value_range) == pytest.approx([low, high], abs=0.1 * (high - low))
    assert "planes larger than 512×512 pixels windows of that size tell the value range, and the middle" in caplog.text
    assert "% of the pixels of 1 planes" in caplog.text


def test_the_batches_of_workers_are_those_of_one(tmp_path):
    images, _ = found(write_zarr(tmp_path / "a.zarr", pixels(1, 12, 80, 90)))
    images.check_workers(100)
    config = small("x", **{**TOGETHER, "batch_size": 4})
    whole = np.stack(batches(images, 3, batch_size=4))
    for number in range(2):
        mine = training_batches(images, build_recipe(config), 3, tf.distribute.InputContext(2, number, 2)).take(3)
        np.testing.assert_array_equal(np.stack([part.numpy() for (part,) in mine]), whole[:, 2 * number :][:, :2])


def test_from_the_command_line(tmp_path, capsys):
    data = write_zarr(tmp_path / "a.ome.zarr", pixels(2, 3, 5, 80, 90), axes="tczyx")
    run = tmp_path / "run"
    command = flags(data, noise="none", channel="GFP")
    assert main(["train", *command, "--output", str(run)]) == 0
    said = capsys.readouterr()
    assert "channel GFP: 10 of 30 planes" in said.err
    assert "9 training planes" in said.err
    assert "held-out images: noisy" in said.out
    assert main(["denoise", str(run), str(data), "--output", str(tmp_path / "out")]) == 0
    denoised = zarr.open_array(tmp_path / "out" / "a.ome.zarr" / "0")
    assert (denoised.shape, denoised.dtype) == ((2, 3, 5, 80, 90), np.uint16)


# reading


def chunks_of(page, top, left, height, width, data, chunks):
    index = np.unravel_index(page.number, data.shape[:-2])
    sides = zip((top, left), (height, width), chunks, strict=True)
    down, across = (range(at // side, (at + length - 1) // side + 1) for at, length, side in sides)
    return ["/".join(["0/c", *map(str, (*index, row, column))]) for row, column in itertools.product(down, across)]


def test_only_the_chunks_of_windows_are_read(tmp_path, monkeypatch):
    """Once for each window that lies in them."""
    read, expected = collections.Counter(), collections.Counter()
    get, window = zarr.storage.LocalStore.get, zarr_images.read_window

    async def counted(self, key, *args, **kwargs):
        read[key] += "/c/" in key
        return await get(self, key, *args, **kwargs)

    def noted(*place):
        expected.update(chunks_of(*place, data, (32, 48)))
        return window(*place)

    data = pixels(1, 3, 700, 800)
    write_zarr(tmp_path / "a.zarr", data, levels=1)
    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    monkeypatch.setattr(zarr_images, "read_window", noted)
    training, held_out = found(tmp_path / "a.zarr", range=["auto"])
    one = sum(expected.values())
    held_out.read(2)
    crops = draws_of([1, 2]).numpy()
    for number in range(50):
        training.read(number, 64, crops + number)
    assert +read == expected
    assert one <= (32 + 1 + 2) * (512 // 32 + 2) * (512 // 48 + 2)  # windows of the range, and two that are tried
    assert sum(expected.values()) - one <= (512 // 32 + 2) * (512 // 48 + 2) + 50 * 4 * 3


def test_memory_does_not_know_the_size_of_a_plane(tmp_path):
    """20 GB, of which one chunk, in the middle, is stored; 3 steps, behind as many on a small plane."""
    small_one = write_zarr(tmp_path / "small.zarr", pixels(1, 512, 512), chunks=(512, 512), levels=1)
    large = write_zarr(tmp_path / "large.zarr", pixels(1, 512, 512), chunks=(512, 512), levels=1)
    change(large, lambda each: each.update(shape=[1, 100_000, 100_000]), "0/zarr.json")
    (large / "0/c/0/97").mkdir()
    (large / "0/c/0/0/0").rename(large / "0/c/0/97/97")
    code = """
        import re, sys
        from n2n_tf.cli.main import main

        def peak(path, *flags):
            run = ["--noise", "none", "--channels", "1", "--features", "4", "--patch-size", "256", "--epochs", "1"]
            assert main(["train", "--data", path, *run, "--steps-per-epoch", "3", "--output", path + "-run"]) == 0
            return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024

        before = peak(sys.argv[1])
        print("MB:", peak(sys.argv[2]) - before)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(small_one), str(large)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(said.rpartition("MB:")[2]) < 150  # of 20,000; the second model, and 32 windows of 512×512


def test_windows_that_are_tried_lie_all_over_a_large_plane(tmp_path, monkeypatch):
    """In the pipeline; its 60,001² places are more than 32 bits count."""
    path = write_zarr(tmp_path / "a.zarr", pixels(64, 64), chunks=(64, 64), levels=1)
    images, _ = found(path)
    side, tried = 60_064, []
    images.pages = [dataclasses.replace(images.pages[0], height=side, width=side)]
    monkeypatch.setattr(zarr_images, "read_window", lambda page, *window: tried.append(window) or np.zeros(window[2:]))
    assert not images.load_crop(tf.constant(0, tf.int64), 64, tf.constant([1, 2]))[0].numpy().any()
    assert len(set(tried)) == windowed.TRIES
    assert {window[2:] for window in tried} == {(64, 64)}
    assert all(0 <= at <= side - 64 for window in tried for at in window[:2])
    assert {(2 * top // side, 2 * left // side) for top, left, *_ in tried} == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_windows_without_data_are_passed_over(tmp_path, caplog):
    """One 128×128 corner of 640×640 pixels is stored: one in twenty windows of 64×64 has some of it."""
    data = np.zeros((640, 640), np.uint16)
    data[:128, :128] = pixels(128, 128)
    caplog.set_level("INFO")
    images, _ = found(write_zarr(tmp_path / "a.zarr", data, chunks=(128, 128), levels=1))
    crops = [np.concatenate(batches(images, 50, flips=False)) for _ in range(2)]
    np.testing.assert_array_equal(*crops)
    assert caplog.text.count("a.zarr: windows without data, all of one value, are passed over") == 1
    filled = [crop for crop in crops[0] if crop.any()]
    assert 0.5 * 100 < len(filled) < 100
    stored = (data / 60000).astype(np.float32)
    views = np.lib.stride_tricks.sliding_window_view(stored, (64, 64))[:128, :128]
    for crop in filled[:10]:
        assert (views == crop[..., 0]).all(axis=(2, 3)).any()


def test_planes_that_cannot_be_read_are_replaced_by_the_next_and_reported(tmp_path):
    data = pixels(1, 3, 80, 90, dtype="float32")
    data[0, 1] = np.nan
    path = write_zarr(tmp_path / "a.zarr", data, chunks=(80, 90), levels=1)
    images, _ = found(path)
    (path / "0/c/0/0/0/0").write_bytes(b"damaged")
    image, number = images.read(0)
    assert number == 2
    np.testing.assert_array_equal(image[..., 0], data[0, 2] / np.float32(60000))
    (one, why), (other, also) = images.skipped.items()
    assert (one, other) == (str(path), f"{path}, page 2")
    assert "cannot be decoded" in why
    assert also == "the image has no pixel that is a number"


def test_a_store_that_vanishes_is_no_black_image(tmp_path):
    """To zarr chunks that are not there are blank."""
    images, _ = found(write_zarr(tmp_path / "a.zarr", pixels(1, 3, 80, 90)))
    shutil.rmtree(tmp_path / "a.zarr")
    with pytest.raises(RunError, match=r"none of the images can be read:\n.*a.zarr: is not there any more"):
        images.read(0, 64, [1, 2])


# a run that goes on


def test_stopped_and_resumed_equals_uninterrupted(tmp_path, monkeypatch, capsys):
    path = write_zarr(tmp_path / "a.zarr", pixels(1, 12, 80, 90))
    runs = [tmp_path / "whole", tmp_path / "stopped"]
    command = ["train", *flags(path, noise="none", channels=1)]
    assert main([*command, "--output", str(runs[0])]) == 0

    def stop(self, batch, logs=None):
        if self.model.optimizer.iterations.numpy() == 9:  # behind a checkpoint in the middle of the second epoch
            raise KeyboardInterrupt

    monkeypatch.setattr(StopAtNaN, "on_train_batch_begin", stop)
    assert main([*command, "--output", str(runs[1])]) == 130
    monkeypatch.undo()
    capsys.readouterr()
    assert main(["train", "--resume", "--output", str(runs[1])]) == 0
    said = capsys.readouterr().err
    assert "11 planes of 1 OME-Zarr images: axes, shapes, types and chunks are those that the run began with" in said
    assert "going on after step 8 of 12" in said
    assert_same_state(*runs)
    names = [name for name in rows(runs[0])[-1] if name.startswith("val_")]  # others are of a part of the epoch
    assert_same_rows(*runs, names)


@pytest.fixture
def begun(tmp_path):
    """A run without a step, and its image."""
    path = write_zarr(tmp_path / "a.zarr", pixels(1, 12, 80, 90))
    config, directory = small(path, **TOGETHER), RunDirectory(tmp_path / "run")
    directory.create(config, *find_data(config), {"keras": keras.__version__})
    return directory, config, path


def test_the_list_of_planes_is_kept(begun):
    directory, config, _ = begun
    for source, again in zip(find_data(config), directory.open(config.images.channels, {}), strict=True):
        assert (again.pages, again.stores, again.value_range) == (source.pages, source.stores, source.value_range)
        np.testing.assert_array_equal(again.read(0, 64, [3, 4])[0], source.read(0, 64, [3, 4])[0])
    assert set(find_data(config)[0].pages).isdisjoint(find_data(config)[1].pages)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda path: write_zarr(path, pixels(1, 12, 80, 91)), r"'shape': \[1, 12, 80, 91\].*begun with.*\[1, 12, 80"),
        (lambda path: write_zarr(path, pixels(1, 12, 80, 90, dtype="uint8", most=200)), "another image now.*uint8"),
        (lambda path: write_zarr(path, pixels(1, 12, 80, 90), axes="tcyx"), "another image now.*tcyx"),
        (lambda path: write_zarr(path, pixels(1, 12, 80, 90), chunks=(32, 32)), r"another image now.*\[1, 1, 32, 32\]"),
        (shutil.rmtree, "no Zarr group is there; the run was begun with it"),
    ],
    ids=["shape", "type", "axes", "chunks", "gone"],
)
def test_a_run_does_not_go_on_with_another_image(other, message, begun):
    directory, config, path = begun
    other(path)
    with pytest.raises(RunError, match=message):
        directory.open(config.images.channels, {})


def test_damaged_lists(begun):
    saved = json.loads(begun[0].images.read_text())["training"]
    for planes in ([], [[0, -1]], [[0, 12]], [[1, 0]], [[0, 1.0]], [["a", 0]], [0], 5, None, [[0]]):
        with pytest.raises((ValueError, TypeError, LookupError)):
            source_from_json({**saved, "planes": planes}, 1)
    for name in ("planes", "skipped"):
        with pytest.raises(LookupError):
            source_from_json({key: value for key, value in saved.items() if key != name}, 1)


# where they are


def write_collections(root):
    """A plate of two wells, and a collection of bioformats2raw; at a folder or URL."""
    names = {"plate": ["A/1/0", "A/1/1", "B/3/0"], "listed": ["first", "second"], "numbered": ["0", "1"]}
    for number, (name, images) in enumerate(names.items()):
        version = 2 if number else 3
        group = zarr.open_group(f"{root}/{name}.zarr", mode="w", zarr_format=version)
        layout = {"bioformats2raw.layout": 3}
        wells = {"wells": [{"path": "A/1"}, {"path": "B/3"}]}
        group.attrs.update(layout if number else {"ome": {"version": "0.5", "plate": wells}})
        if name == "plate":
            for well, fields in (("A/1", "01"), ("B/3", "0")):
                told = {"images": [{"path": field} for field in fields]}
                group.create_group(well).attrs["ome"] = {"version": "0.5", "well": told}
        if name == "listed":
            group.create_group("OME").attrs["series"] = images
        for image in images:
            data = pixels(1, 70, 80)
            write_image(f"{root}/{name}.zarr/{image}", data, version, levels=2, chunks=(1, 32, 32))
    return [f"{root}/{name}.zarr/{image}" for name, images in names.items() for image in images]


def test_folders_globs_plates_and_collections(tmp_path, monkeypatch):
    images = write_collections(tmp_path / "in")
    shutil.copytree(images[0], tmp_path / "in" / "sub" / "copy")  # no suffix
    monkeypatch.chdir(tmp_path)
    everything = [*images, str(tmp_path / "in" / "sub" / "copy")]
    for given, expected in (
        (["in"], everything),
        (["in/plate.zarr"], images[:3]),
        (["in/plate.zarr/A/1", "in/plate.zarr/A/1/1"], images[:2]),
        (["in/*.zarr"], images),
        ([f"file://{tmp_path}/in/listed.zarr"], images[3:5]),
    ):
        training, _ = find_data(small("x", **{**TOGETHER, "data": given}))
        assert {page.path for page in training.pages} == set(expected)


def test_urls(tmp_path):
    root = f"memory://{tmp_path.name}"
    images = write_collections(root)
    data = [f"{root}/{name}.zarr" for name in ("plate", "listed", "numbered")]
    training, _ = find_data(small("x", **{**TOGETHER, "data": data}))
    assert [page.path for page in training.pages] == images
    assert zarr.open_array(f"{images[4]}/0")[0, 1, 2] == round(float(training.read(4)[0][1, 2, 0]) * 60000)
    with pytest.raises(RunError, match=r"`data` memory://.*/nothing.zarr: no Zarr group is there"):
        found(f"{root}/nothing.zarr")
    change_plate = zarr.open_group(f"{root}/plate.zarr").attrs
    change_plate["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "../A"}]}}
    with pytest.raises(RunError, match="wanted a name inside the group"):
        found(f"{root}/plate.zarr")


# what is refused


def array(**changes):
    """Makes an image whose metadata says something else of its first level."""

    def make(path):
        write_zarr(path, pixels(1, 3, 80, 90), 2)
        change(path, lambda each: each.update(changes), "0/.zarray")

    return make


@pytest.mark.parametrize(
    ("make", "message", "settings"),
    [
        (lambda path: path.mkdir(), "no Zarr group is there", {}),
        (lambda path: zarr.open_group(path, mode="w"), "a Zarr group without multiscales", {}),
        (lambda path: shutil.rmtree(write_zarr(path, pixels(1, 3, 80, 90)) / "0"), "array 0: is not there", {}),
        (lambda path: write_zarr(path, pixels(1, 3, 60, 90)), "90×60 pixels, smaller than the 64×64 needed", {}),
        (lambda path: write_zarr(path, pixels(3, 80, 90)), r"1 channel\(s\), wanted 3; train with `channels` 1",
         {"channels": 3}),
        (lambda path: write_zarr(path, pixels(1, 80, 90, dtype="int64")), "int64 pixels; wanted", {}),
        (lambda path: write_zarr(path, pixels(3, 80, 90)), "no axis of channels", {"channel": ["1"]}),
        (array(filters=[{"id": "pickle"}]), "its codecs: pickle", {}),
        (array(chunks=[1, 1, 50000, 50000]), "at most 2147483647 bytes", {}),
        (array(shape=[1, 3, 20000, 22500]), "`noise_once` wants images read",
         {"noise": "gaussian", "noise_once": True}),
    ],
)  # fmt: skip
def test_no_usable_plane(make, message, settings, tmp_path):
    make(tmp_path / "a.zarr")
    with pytest.raises(RunError, match=f"(?s)no usable image in .*a.zarr:\n.*{message}"):
        found(tmp_path / "a.zarr", **settings)


def test_a_channel_that_no_image_has(tmp_path):
    write_zarr(tmp_path / "a.zarr", pixels(3, 1, 80, 90), axes="czyx")
    with pytest.raises(UsageError, match=r"`channel` GFB: .*a.zarr: channel 'GFB' is not there.*mean 'GFP'"):
        found(tmp_path / "a.zarr", channel=["GFB"])


def test_good_images_go_on_where_others_cannot(tmp_path):
    write_zarr(tmp_path / "a.zarr", pixels(1, 3, 80, 90))
    shutil.rmtree(write_zarr(tmp_path / "b.zarr", pixels(1, 3, 80, 90)) / "0")
    training, _ = found(tmp_path)
    assert len(training) == 3
    assert training.skipped == {str(tmp_path / "b.zarr"): "array 0: is not there"}


def test_no_permission(tmp_path, monkeypatch):
    path = write_zarr(tmp_path / "a.zarr", pixels(1, 3, 80, 90))

    def refuse(self, key, *args, **kwargs):
        if key == "zarr.json" or "/c/" in key:
            raise PermissionError(13, "Permission denied")
        return get(self, key, *args, **kwargs)

    get = zarr.storage.LocalStore.get
    with monkeypatch.context() as patch:
        patch.setattr(zarr.storage.LocalStore, "get", refuse)  # the tests may run as one who may read all
        with pytest.raises(RunError, match=r"a.zarr, page 3: Permission denied"):
            found(path)
    monkeypatch.setattr(zarr_place.ZarrPlace, "read", refuse)
    with pytest.raises(RunError, match=r"a.zarr: Permission denied"):
        found(path)


def test_other_files_are_not_read_together(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", pixels(1, 3, 80, 90))
    tifffile.imwrite(tmp_path / "b.tif", pixels(80, 90))
    (tmp_path / "notes.txt").write_text("no image")
    for data in ([tmp_path], [path, tmp_path / "b.tif"]):
        with pytest.raises(
            UsageError, match=r"`data`: OME-Zarr images and files of other formats, as .*b.tif, are not"
        ):
            find_data(small("x", **{**TOGETHER, "data": list(map(str, data))}))
    with pytest.raises(UsageError, match=r"`data` .*nowhere.zarr: no such folder or file"):
        find_data(small("x", **{**TOGETHER, "data": [str(path), str(tmp_path / "nowhere.zarr")]}))
    training, held_out = found(path, val_data=[str(tmp_path / "b.tif")])
    assert (training.unit, held_out.unit) == ("planes", "images")


def test_large_chunks_are_told(tmp_path, caplog):
    array(chunks=[1, 1, 8000, 8000])(tmp_path / "a.zarr")
    for file in (tmp_path / "a.zarr" / "0").glob("0.*"):  # of another shape
        file.unlink()
    with pytest.raises(RunError, match="all pixels of the training images are equal"):
        found(tmp_path / "a.zarr", range=["auto"])
    assert "a.zarr: chunks of 122 MB, read whole for each crop" in caplog.text


def test_without_zarr_the_error_names_the_extra(tmp_path, monkeypatch):
    path = write_zarr(tmp_path / "a.zarr", pixels(1, 3, 80, 90))
    monkeypatch.setattr(zarr_place.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"needs zarr and fsspec: pip install n2n-tf\[zarr\]"):
        found(path)
