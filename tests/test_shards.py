"""Shards: what is written comes back, each crop once in each pass, in an order that only the seed tells."""

import dataclasses
import itertools
import json
import os
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from n2n_tf.cli.main import main
from n2n_tf.config import RunError, UsageError
from n2n_tf.data import shard_writer, shards
from n2n_tf.data.held_out import HeldOut
from n2n_tf.data.manifest import TRAIN, VAL
from n2n_tf.data.pipeline import Recipe, held_out_pair, training_batches
from n2n_tf.data.settings import CropSettings
from n2n_tf.data.shards import open_shards
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.noise import Gaussian
from n2n_tf.training.divergence import StopAtNaN
from n2n_tf.training.presets import build_config

pytestmark = pytest.mark.usefixtures("two_layers")

SIDE = 64
COUNTS = (5, 3, 4, 7, 1, 4)  # crops of the shards to train on
RECIPE = Recipe(CropSettings(flips=False, patch_size=64, batch_size=4), None, seed=3)


def numbered(number):
    """Crops in one column; all pixels of a crop tell which it is."""
    count = COUNTS[number]
    rows = np.repeat(np.arange(count), SIDE) + 10 * number + 1
    return np.broadcast_to(rows[:, None, None], (count * SIDE, SIDE, 4)).astype(np.float32) / np.float32(100)


def write(folder, channels=4, paired=True):
    form = {"side": SIDE, "channels": channels, "dtype": "float32"}
    held_out = numbered(0)[..., :channels]
    with shard_writer.Writer(str(folder), form, {"kind": "test"}, SIDE) as writer:
        for number in range(len(COUNTS)):
            writer.add(of_image(f"a/{number}", numbered(number)[..., :channels]))
        writer.add(of_image("b", held_out, held_out / 2 if paired else None, VAL))
    return str(folder)


def of_image(shard, image, clean=None, split=TRAIN):
    return shard_writer.Source(shard, split, (), lambda: (image, clean), {})


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "shards")


def order(source, count, first=0, seed=3, **workers):
    """Numbers of crops, in the order in which they come."""
    records = source.records(first, seed, **workers).take(count)
    return [round(float(source.load(record)[0][0, 0, 0]) * 100) for record in records]


ALL = sorted(10 * number + 1 + crop for number, count in enumerate(COUNTS) for crop in range(count))


def test_the_same_image_gives_the_same_bytes(folder):
    """In each process: two that prepare one folder keep one of their manifests, with sizes. The order is the names'."""
    for record in tf.data.TFRecordDataset(f"{folder}/val/b.tfrecord", "GZIP").as_numpy_iterator():
        places = [record.index(f"\n{chr(len(name))}{name}".encode()) for name in ("clean", "column", "key", "noisy")]
        assert places == sorted(places)


def test_each_pass_has_every_crop_once_in_a_new_order(folder):
    source = open_shards(folder, TRAIN)
    assert len(source) == sum(COUNTS) == 24
    passes = np.array(order(source, 72)).reshape(3, 24)
    for each in passes:
        assert sorted(each) == ALL
    assert len({tuple(each) for each in passes}) == 3
    assert order(source, 24) != order(source, 24, seed=4)


def test_the_order_is_the_same_again_and_where_a_run_is_resumed(folder, monkeypatch):
    source = open_shards(folder, TRAIN)
    whole = order(source, 60)
    tf.random.set_seed(99)  # no hidden state
    assert order(source, 60) == whole
    for first in (1, 23, 24, 31):
        assert order(source, 60 - first, first) == whole[first:]
    batches = [batch.numpy() for (batch,) in training_batches(source, RECIPE).take(8)]
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    resumed = [batch.numpy() for (batch,) in training_batches(source, RECIPE, first_step=5).take(3)]
    np.testing.assert_array_equal(resumed, batches[5:])


def test_a_small_buffer_still_gives_every_crop(folder, monkeypatch):
    monkeypatch.setattr(shards, "WINDOW", 2 * SIDE * SIDE * 16)
    monkeypatch.setattr(shards, "CYCLE", 4)  # groups of 4 and 2 shards
    source = open_shards(folder, TRAIN)
    whole = order(source, 72)
    for begin in (0, 24, 48):
        assert sorted(whole[begin : begin + 24]) == ALL
    for first in range(1, 50, 3):  # whole groups are not read
        assert order(source, 12, first) == whole[first : first + 12]


def test_neighbors_in_time_come_from_many_shards(folder):
    firsts = {crop // 10 for crop in order(open_shards(folder, TRAIN), 12)}
    assert len(firsts) >= 4


@pytest.mark.parametrize("workers", [2, 3, 6])
def test_workers_share_the_shards(folder, workers):
    source = open_shards(folder, TRAIN)
    seen = []
    for worker in range(workers):
        count = sum(COUNTS[worker::workers])
        mine = order(source, 2 * count, worker=worker, workers=workers)
        assert sorted(mine[:count]) == sorted(mine[count:])
        seen += mine[:count]
        assert order(source, count, count, worker=worker, workers=workers) == mine[count:]
    assert sorted(seen) == ALL
    with pytest.raises(UsageError, match="6 shards for 7 workers"):
        source.records(0, 3, worker=0, workers=7)


def test_any_place_that_tensorflow_opens(folder):
    write("ram://somewhere/shards")
    source = open_shards("ram://somewhere/shards", TRAIN)
    assert order(source, 24) == order(open_shards(folder, TRAIN), 24)
    batch = next(iter(training_batches(source, RECIPE)))[0]
    assert batch.shape == (4, 64, 64, 4)
    assert HeldOut(open_shards("ram://somewhere/shards", VAL)).read(2)[0].shape == (SIDE, SIDE, 4)


def test_held_out_crops_come_with_their_clean_partners(folder, tmp_path, monkeypatch):
    held_out = HeldOut(open_shards(folder, VAL))
    assert (len(held_out), held_out.paired) == (5, True)
    noisy, clean = held_out_pair(held_out, 3, None, 3)
    np.testing.assert_array_equal(noisy, np.full((SIDE, SIDE, 4), np.float32(0.04)))
    np.testing.assert_array_equal(clean, noisy / 2)
    noisy, clean = held_out_pair(held_out, 3, Gaussian(0.1), 3)  # added to clean ones
    assert abs((noisy - clean).numpy().std() - 0.1) < 0.01
    monkeypatch.setattr("n2n_tf.data.held_out.MOST_HELD_OUT", 3)
    few = HeldOut(open_shards(folder, TRAIN))
    assert [round(float(few.read(index)[0][0, 0, 0]) * 100) for index in range(len(few))] == [ALL[0], ALL[8], ALL[16]]
    assert not few.paired
    unpaired = HeldOut(open_shards(write(tmp_path / "unpaired", paired=False), VAL))
    assert held_out_pair(unpaired, 0, None, 3)[1] is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_integers_are_divided_by_their_largest(dtype, tmp_path):
    images = {"uint8": np.uint8([0, 51, 255]), "uint16": np.uint16([0, 13107, 65535])}
    image = np.broadcast_to(images[dtype], (SIDE, SIDE, 3)).copy()
    with shard_writer.Writer(str(tmp_path), {"side": SIDE, "channels": 3, "dtype": dtype}, {}, SIDE) as writer:
        writer.add(of_image("a", image))
    written = open_shards(str(tmp_path), TRAIN)
    (record,) = written.records(0, 0).take(1)
    np.testing.assert_allclose(written.load(record)[0][0, 0], [0, 0.2, 1], atol=1e-7)


def test_frozen_noise_belongs_to_the_crop(tmp_path):
    source = open_shards(write(tmp_path / "clean"), TRAIN)
    crops = dataclasses.replace(RECIPE.crops, batch_size=24)
    recipe = dataclasses.replace(RECIPE, noise=Gaussian(0.1), frozen=True, crops=crops)

    def noise_by_crop(noisy, clean):
        return {round(float(c[0, 0, 0]) * 100): n - c for n, c in zip(noisy.numpy(), clean.numpy(), strict=True)}

    first, second = (noise_by_crop(*batch) for batch in training_batches(source, recipe).take(2))
    assert sorted(first) == ALL
    for crop in ALL:
        np.testing.assert_allclose(first[crop], second[crop], atol=1e-6)
    for one, other in itertools.combinations(ALL, 2):
        assert abs(first[one] - first[other]).max() > 0.01


def test_crops_begin_where_every_pixel_is_in_one():
    for length in range(8, 40):
        for step in (1, 3, 8, 11):
            begins = shard_writer.starts(length, 8, step)
            covered = {begin + place for begin in begins for place in range(8)}
            assert covered == set(range(length)) or step > 8  # which the command refuses
            assert begins == sorted(set(begins))
            assert (begins[0], begins[-1]) == (0, length - 8)


def test_what_is_no_crop_is_not_written(tmp_path):
    writer = shard_writer.Writer(str(tmp_path), {"side": SIDE, "channels": 4, "dtype": "float32"}, {}, SIDE)
    image = np.zeros((SIDE, SIDE + 1, 4), np.float32)
    small, other = (image[1:], None), (image, image[:, 1:])
    for pair, message in ((small, "65×63 cells of 2×2 pixels"), (other, "its clean partner")):
        with pytest.raises(UnusableImageError, match=message):
            writer.add(of_image("a", *pair))
    assert not list(tmp_path.rglob("*"))


def test_what_was_written_before_a_run_was_stopped_is_listed(tmp_path):
    def stopped():
        with shard_writer.Writer(str(tmp_path), {"side": SIDE, "channels": 4, "dtype": "float32"}, {}, SIDE) as writer:
            writer.add(of_image("a", np.zeros((SIDE, 2 * SIDE, 4), np.float32)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert open_shards(str(tmp_path), TRAIN).counts == {"train/a.tfrecord": 2}


def test_folders_without_a_format_are_read(folder):
    path, before = os.path.join(folder, "shards.json"), open_shards(folder, VAL)
    with open(path) as file:
        manifest = json.load(file)
    assert manifest.pop("format") == 1
    with open(path, "w") as file:
        json.dump(manifest, file)
    assert open_shards(folder, VAL) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("side"), "is damaged"),
        (lambda m: m.update(format=0), "is damaged"),
        (lambda m: m.update(format="1"), "is damaged"),
        (lambda m: m.update(format=2), "shards.json: has format 2, of a later version of n2n_tf; .* update it"),
        (lambda m: m.update(side=10**6), "is damaged"),
        (lambda m: m.update(channels=2), "is damaged"),
        (lambda m: m.update(dtype="string"), "is damaged"),
        (lambda m: m["shards"].update({"../../x": next(iter(m["shards"].values()))}), "is damaged"),
        (lambda m: m["shards"].update({"/x": next(iter(m["shards"].values()))}), "is damaged"),
        (lambda m: m["shards"]["val/b.tfrecord"].update(split="both"), "is damaged"),
        (lambda m: m["shards"]["val/b.tfrecord"].update(bytes=3), "b.tfrecord: .* bytes; wanted 3 bytes"),
        (lambda m: m["shards"].update({"x": m["shards"]["val/b.tfrecord"]}), "shards/x: missing; wanted"),
    ],
)
def test_damage_is_found_before_the_run(folder, change, message):
    path = os.path.join(folder, "shards.json")
    with open(path) as file:
        manifest = json.load(file)
    change(manifest)
    with open(path, "w") as file:
        json.dump(manifest, file)
    with pytest.raises(RunError, match=message):
        open_shards(folder, VAL)
    with open(path, "w") as file:
        file.write("{")
    with pytest.raises(RunError, match="is damaged"):
        open_shards(folder, VAL)


OPTIONS = [
    "--network",
    "two_layers",
    "--features",
    "4",
    "--no-flips",
    "--patch-size",
    "64",
    "--batch-size",
    "2",
    "--epochs",
    "2",
    "--steps-per-epoch",
    "3",
]


def test_train_on_shards_and_resume(folder, tmp_path, capsys, monkeypatch):
    runs = {name: tmp_path / name for name in ("whole", "stopped")}
    command = ["train", "--data", folder, "--noise", "none", *OPTIONS, "--checkpoint-steps", "1"]
    assert main([*command, "--output", str(runs["whole"])]) == 0
    said = capsys.readouterr()
    assert "24 training crops" in said.err
    assert "5 held-out crops" in said.err
    assert "(PSNR)" in said.out
    assert "val_psnr" in (runs["whole"] / "history.csv").read_text().splitlines()[0]
    assert json.loads((runs["whole"] / "config.json").read_text())["config"]["gamma"] == 1.0  # as raw files bring it
    assert json.loads((runs["whole"] / "report.json").read_text())["scored_images"] == "held-out"

    def stop(self, batch, logs=None):
        if self.model.optimizer.iterations.numpy() == 4:  # in the middle of the second epoch
            raise KeyboardInterrupt

    monkeypatch.setattr(StopAtNaN, "on_train_batch_begin", stop)
    assert main([*command, "--output", str(runs["stopped"])]) == 130
    monkeypatch.undo()
    assert main(["train", "--resume", "--output", str(runs["stopped"])]) == 0
    weights = [keras.models.load_model(path / "denoiser.keras").get_weights() for path in runs.values()]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_run_is_not_resumed_on_other_shards(folder, tmp_path, capsys):
    run = ["--output", str(tmp_path / "run")]
    assert main(["train", "--data", folder, "--noise", "none", *OPTIONS, *run]) == 0
    form = {"side": SIDE, "channels": 4, "dtype": "float32"}
    os.unlink(os.path.join(folder, "train", "a", "3.tfrecord"))
    with shard_writer.Writer(folder, form, {"kind": "test"}, SIDE) as writer:
        writer.add(of_image("a/3", numbered(4)))
    assert main(["train", "--resume", *run]) == 1
    assert "its shards are not those that the run began with" in capsys.readouterr().err


def test_shards_that_hold_nothing_out(folder, tmp_path, capsys):
    other = write(tmp_path / "other", paired=False)
    with open(os.path.join(other, "shards.json")) as file:
        manifest = json.load(file)
    del manifest["shards"]["val/b.tfrecord"]
    with open(os.path.join(other, "shards.json"), "w") as file:
        json.dump(manifest, file)
    command = ["train", "--data", other, "--noise", "none", *OPTIONS]
    assert main([*command, "--output", str(tmp_path / "run")]) == 0
    assert "no crops are held out: the scores are those of training crops" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "report.json").read_text())["scored_images"] == "training"
    assert main([*command, "--val-data", other, "--output", str(tmp_path / "run2")]) == 1
    assert "none of its shards is held out" in capsys.readouterr().err
    assert main([*command, "--val-data", folder, "--output", str(tmp_path / "run3")]) == 0
    assert "5 held-out crops" in capsys.readouterr().err
    for shard in manifest["shards"].values():
        shard["split"] = "val"
    with open(os.path.join(other, "shards.json"), "w") as file:
        json.dump(manifest, file)
    assert main([*command, "--output", str(tmp_path / "run4")]) == 1
    assert "none of its shards is to train on" in capsys.readouterr().err
    assert not (tmp_path / "run4").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--channels", "3"], "--channels 3: the shards of .* have 4; say --channels 4"),
        (["--patch-size", "128"], r"--patch-size 128: wanted crops of 128 \(.*\); those of .* have 64"),
        (["--flips"], r"--patch-size 64: wanted crops of 65 \(64 without --flips\); those of"),
        (["--data", "FOLDER", "FOLDER"], "--data: a folder of shards stands alone"),
    ],
)
def test_settings_that_do_not_fit_the_shards(more, message, folder, tmp_path, capsys):
    more = [folder if word == "FOLDER" else word for word in more]
    command = ["train", "--data", folder, "--noise", "none", "--output", str(tmp_path / "run"), *OPTIONS, *more]
    assert main(command) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "run").exists()


def test_raw_shards_bring_the_settings_of_raw(folder, tmp_path):
    assert build_config({"data": [folder], "noise": "none"}).images.channels == 4
    assert build_config({"data": [folder], "noise": "none"}, "paper").optimizer.learning_rate == 1e-4
    colour = write(tmp_path / "colour", channels=3)
    assert build_config({"data": [colour], "noise": "none"}).images.channels == 3
