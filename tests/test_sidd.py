"""SIDD: its files, the shards made of them, its blocks. The files are written here, in the form of the dataset's."""

import base64
import csv
import json
import struct
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest
import scipy.io
import tensorflow as tf

from benchmarks import sidd_form
from n2n_tf.cli.main import main
from n2n_tf.config import RunError, UsageError
from n2n_tf.data import prepare as prepare_module
from n2n_tf.data import sidd
from n2n_tf.data.manifest import VAL
from n2n_tf.data.pipeline import Recipe, training_batches
from n2n_tf.data.shards import open_shards
from n2n_tf.data.sources import source_from_json
from n2n_tf.evaluation import blocks as block_files
from n2n_tf.formats import bayer
from n2n_tf.formats.errors import UnusableImageError
from n2n_tf.training.build import build_recipe
from n2n_tf.training.data import find_data
from n2n_tf.training.presets import build_config

PHONES = sorted(sidd.PATTERNS)
COLORS = {"R": 0.2, "G": 0.4, "B": 0.6}
RNG = np.random.default_rng(0)


def name_of(number, scene, phone, iso=800):
    return f"{number:04d}_{scene:03d}_{phone}_{iso:05d}_00100_3200_L"


def painted(pattern, height, width):
    """A mosaic whose pixels tell their colour and, by less than the colours differ, their place."""
    colors = np.array([COLORS[letter] for letter in pattern]).reshape(2, 2)
    mosaic = np.tile(colors, (height // 2 + 1, width // 2 + 1))[:height, :width]
    return (mosaic + np.linspace(0, 0.1, height * width).reshape(height, width)).astype(np.float32)


def write_instance(folder, name, size=(150, 170), clean=True):
    """Its noisy image is `painted`; returns that."""
    instance, number = sidd.instance(name), name[:4]
    (folder / name).mkdir(parents=True)
    mosaic = painted(instance.pattern, *size)
    sidd_form.write_image(folder / name / f"{number}_NOISY_RAW_010.MAT", mosaic)
    if clean:
        sidd_form.write_image(folder / name / f"{number}_GT_RAW_010.MAT", mosaic / 2)
    sidd_form.write_metadata(folder / name / f"{number}_METADATA_RAW_010.MAT", instance.pattern)
    return mosaic


@pytest.fixture
def dataset(tmp_path):
    """A scene instance of each phone; the last phone's is of another scene."""
    for number, phone in enumerate(PHONES, 1):
        write_instance(tmp_path / "Data", name_of(number, 2 if phone == "S6" else 1, phone))
    return tmp_path / "Data"


def prepare(dataset, output, *more):
    return main(["prepare", "sidd", str(dataset), "--output", str(output), "--crop-size", "128", "--step", "64", *more])


def crops_of(folder):
    """Every record of the shards, parsed without the package: by file."""
    features = {name: tf.io.FixedLenFeature([], tf.string) for name in ("noisy", "key", "phone", "pattern", "scene")}
    features |= {name: tf.io.FixedLenFeature([], tf.int64) for name in ("row", "column", "iso")}
    features["clean"] = tf.io.FixedLenFeature([], tf.string, b"")
    return {
        str(path.relative_to(folder)): [
            {name: value.numpy() for name, value in tf.io.parse_single_example(record, features).items()}
            for record in tf.data.TFRecordDataset(str(path), "GZIP")
        ]
        for path in sorted(folder.rglob("*.tfrecord"))
    }


def test_a_name_tells_scene_and_phone():
    instance = sidd.instance("0052_002_S6_01600_01000_5500_N")
    assert (instance.scene, instance.phone, instance.iso, instance.pattern) == ("002", "S6", 1600, "GRBG")
    with pytest.raises(UsageError, match=r"no name of a scene instance with a phone code \(G4, GP, IP, N6, S6\)"):
        sidd.instance("0052_002_01600_01000_5500_N")
    with pytest.raises(UsageError, match="phone code: 'S7' is not known; wanted one of G4, GP, IP, N6, S6"):
        sidd.instance("0052_002_S7_01600_01000_5500_N")


def test_the_real_metadata_tells_the_pattern_of_its_phone(reference):
    path = reference.parent / "data" / "sidd" / "0001_METADATA_RAW_010.MAT"
    assert sidd.metadata_pattern(path) == "GRBG" == sidd.PATTERNS["S6"]


def test_metadata_of_other_forms(tmp_path):
    """The tags may lie in a sub-directory of the DNG; a file may tell none."""
    sidd_form.write_metadata(tmp_path / "a.MAT", "GBRG")
    assert sidd.metadata_pattern(tmp_path / "a.MAT") == "GBRG"
    inner = scipy.io.loadmat(tmp_path / "a.MAT")["metadata"]
    cell = np.empty((1, 1), object)
    cell[0, 0] = inner
    scipy.io.savemat(tmp_path / "b.MAT", {"metadata": {"Make": "x", "UnknownTags": np.zeros((0, 0)), "SubIFDs": cell}})
    assert sidd.metadata_pattern(tmp_path / "b.MAT") == "GBRG"
    scipy.io.savemat(tmp_path / "c.MAT", {"metadata": {"Make": "x"}})
    (tmp_path / "d.MAT").write_text("text")
    assert sidd.metadata_pattern(tmp_path / "c.MAT") is sidd.metadata_pattern(tmp_path / "d.MAT") is None


def test_images_without_metadata_have_the_pattern_of_their_phone(dataset, tmp_path, caplog):
    for path in sorted(dataset.rglob("*METADATA*"))[:2]:
        path.unlink()
    sources, skipped = prepare_module.sidd_sources(str(dataset), None)
    assert (len(sources), skipped) == (5, {})


def test_the_same_instance_twice_and_linked_folders(dataset, tmp_path, capsys):
    (tmp_path / "SIDD" / "more").mkdir(parents=True)
    (tmp_path / "SIDD" / "part1").symlink_to(dataset)
    write_instance(tmp_path / "SIDD" / "more", name_of(1, 1, PHONES[0]))
    assert prepare(tmp_path / "SIDD", tmp_path / "out", "--val-scenes") == 0
    said = capsys.readouterr().out
    assert "is there twice, also as" in said
    assert "20 crops in" in said


def test_clean_partners_that_come_later_are_taken(dataset, tmp_path):
    (partner,) = (dataset / name_of(5, 2, "S6")).glob("*GT*")
    partner.rename(tmp_path / "later.MAT")
    assert prepare(dataset, tmp_path / "out") == 0
    assert not open_shards(str(tmp_path / "out"), VAL).paired
    (tmp_path / "later.MAT").rename(partner)
    assert prepare(dataset, tmp_path / "out") == 0
    assert open_shards(str(tmp_path / "out"), VAL).paired


def test_images_are_transposed(tmp_path):
    mosaic = RNG.random((6, 10)).astype(np.float32)
    sidd_form.write_image(tmp_path / "a.MAT", mosaic)
    with h5py.File(tmp_path / "a.MAT") as file:
        assert file["x"].shape == (10, 6)  # as h5py sees what MATLAB wrote
    np.testing.assert_array_equal(sidd.read_image(tmp_path / "a.MAT"), mosaic)


def h5(path, **variables):
    with h5py.File(path, "w") as file:
        for name, value in variables.items():
            file[name] = value


def test_files_that_are_no_images_are_told_apart(tmp_path, monkeypatch):
    path = tmp_path / "a.MAT"
    for write, message in (
        (lambda: h5(path, y=np.zeros((4, 4))), "has no variable 'x', but y"),
        (lambda: h5(path), "has no variable 'x', but none"),
        (lambda: h5(path, x=np.zeros((4, 4, 3))), r"wanted a mosaic of floats, \[H, W\]"),
        (lambda: h5(path, x=np.zeros((4, 4), np.uint16)), r"wanted a mosaic of floats, \[H, W\]"),
        (lambda: h5(path, x=np.full((4, 4), np.nan)), "infinite or not a number"),
        (lambda: h5(path, x=np.full((4, 4), 1023.0)), r"wanted intensities in \[0, 1\]"),
        (lambda: scipy.io.savemat(path, {"x": np.zeros((4, 4))}, appendmat=False), r"v5 format; images .* v7.3"),
        (lambda: path.write_text("text"), "is no MATLAB file"),
        (lambda: path.write_bytes(b""), "is no MATLAB file"),
    ):
        path.unlink(missing_ok=True)
        write()
        with pytest.raises(UnusableImageError, match=message):
            sidd.read_image(path)
    sidd_form.write_image(tmp_path / "other.MAT", np.zeros((4, 4)))
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink(str(tmp_path / "other.MAT"), "x")
    with pytest.raises(UnusableImageError, match="lies in another file"):
        sidd.read_image(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (4, 4), "f4", external=[(str(tmp_path / "other.MAT"), 0, 64)])
    with pytest.raises(UnusableImageError, match="lies in another file"):
        sidd.read_image(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (4, 4), "f4", maxshape=(None, None), chunks=(2**14, 2**13))
    monkeypatch.setattr(sidd, "MAX_PIXELS", 2**26)
    with pytest.raises(UnusableImageError, match="at most 67108864 are read"):
        sidd.read_image(path)
    sidd_form.write_image(path, np.zeros((40, 40)))
    monkeypatch.setattr(sidd, "MAX_PIXELS", 1599)
    with pytest.raises(UnusableImageError, match="40×40 pixels; at most 1599 are read"):
        sidd.read_image(path)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(UnusableImageError, match="cannot be decoded"):
        sidd.read_image(path)


def test_damaged_files_are_one_kind_of_error(tmp_path):
    sidd_form.write_image(tmp_path / "a.MAT", RNG.random((40, 40)))
    data, read = (tmp_path / "a.MAT").read_bytes(), 0
    for _ in range(300):
        damaged = bytearray(data)
        for place in RNG.integers(512, min(4000, len(data)), 4):
            damaged[place] = RNG.integers(256)
        (tmp_path / "b.MAT").write_bytes(damaged)
        try:
            read += sidd.read_image(tmp_path / "b.MAT").shape == (40, 40)
        except UnusableImageError:
            continue
    assert 0 < read < 300


def test_files_that_are_no_blocks_are_told_apart(tmp_path, monkeypatch):
    path = tmp_path / "a.mat"
    four = np.zeros((1, 2, 4, 4), np.float32)
    scipy.io.savemat(path, {"a": four + 0.5, "name": "x"})
    np.testing.assert_array_equal(sidd.read_blocks(path), four + 0.5)
    for variables, message in (
        ({"a": four[0]}, r"holds a \(2, 4, 4\) single; wanted one array"),
        ({"a": four, "b": four}, "wanted one array of floats"),
        ({"a": four.astype(np.uint16)}, "wanted one array of floats"),
        ({}, "holds nothing"),
    ):
        scipy.io.savemat(path, variables)
        with pytest.raises(UnusableImageError, match=message):
            sidd.read_blocks(path)
    h5(path, a=four)
    with pytest.raises(UnusableImageError, match=r"v7.3 format \(HDF5\); blocks of SIDD come in MATLAB's v5"):
        sidd.read_blocks(path)
    scipy.io.savemat(path, {"a": RNG.random((1, 2, 16, 16)).astype(np.float32)})
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(UnusableImageError, match="cannot be decoded"):
        sidd.read_blocks(path)
    scipy.io.savemat(path, {"a": four})
    monkeypatch.setattr(sidd, "MOST_BYTES", 127)
    with pytest.raises(UnusableImageError, match=r"at most 0.0 are read"):
        sidd.read_blocks(path)


def test_a_reader_that_crashes_is_one_line(tmp_path):
    """A flipped bit in the type of the numbers: SciPy 1.17's reader ends with SIGSEGV."""
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"a": np.zeros((1, 2, 16, 16), np.float32)})
    data = bytearray(path.read_bytes())
    place = data.index(struct.pack("<II", 7, 4 * 512))  # single, bytes
    data[place] ^= 64
    path.write_bytes(data)
    program = f"import scipy.io; scipy.io.loadmat({str(path)!r})"
    crashed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert crashed.returncode != 0  # what it is about
    with pytest.raises(UnusableImageError, match=r"cannot be decoded: .+") as raised:
        sidd.read_blocks(path)
    assert "\n" not in str(raised.value)
    assert sidd.metadata_pattern(path) is None
    with pytest.raises(RunError, match=r"a\.mat: cannot be decoded"):
        block_files.read(str(path))


def test_prepared_crops_have_the_colors_of_every_phone_in_their_planes(dataset, tmp_path, capsys):
    assert prepare(dataset, tmp_path / "out", "--val-scenes") == 0
    shards = crops_of(tmp_path / "out")
    assert len(shards) == len(PHONES)
    for name, crops in shards.items():
        instance = sidd.instance(name.split("/")[1])
        mosaic = painted(instance.pattern, 150, 170)
        top, left = bayer.RED[instance.pattern]
        seen = np.zeros(mosaic.shape, bool)
        for crop in crops:
            assert (crop["phone"].decode(), crop["pattern"].decode()) == (instance.phone, instance.pattern)
            assert (crop["scene"].decode(), crop["iso"]) == (instance.scene, 800)
            planes = np.frombuffer(crop["noisy"], "<f4").reshape(64, 64, 4)
            for plane, letter in enumerate("RGGB"):
                assert abs(planes[..., plane] - COLORS[letter] - 0.05).max() <= 0.05 + 1e-6
            first_row, first_column = top + 2 * crop["row"], left + 2 * crop["column"]
            window = slice(first_row, first_row + 128), slice(first_column, first_column + 128)
            np.testing.assert_array_equal(bayer.unpack(planes, "RGGB", 128, 128), mosaic[window])
            seen[window] = True
        assert seen[top : 150 - top, left : 170 - left].all()  # each whole cell is in a crop
    assert "20 crops in" in capsys.readouterr().out


def test_no_scene_is_on_both_sides(dataset, tmp_path):
    assert prepare(dataset, tmp_path / "out") == 0
    shards = crops_of(tmp_path / "out")
    scenes = {split: {crop["scene"] for name, crops in shards.items() if name.startswith(split) for crop in crops}
              for split in ("train", "val")}  # fmt: skip
    assert scenes == {"train": {b"001"}, "val": {b"002"}}
    for name, crops in shards.items():
        for crop in crops:
            clean = np.frombuffer(crop["clean"], "<f4")
            expected = np.frombuffer(crop["noisy"], "<f4") / 2 if name.startswith("val") else []
            np.testing.assert_array_equal(clean, expected)


RUN = {"channels": 4, "patch_size": 64, "flips": False, "network": "two_layers", "features": 2, "batch_size": 2}


def test_noise_is_added_to_clean_partners(dataset, tmp_path, capsys, two_layers):
    """Of pairs: the clean crop is what is learned, and scored against; the noisy one, twice as bright, is left out."""
    assert prepare(dataset, tmp_path / "out", "--clean") == 0
    told = {"data": [str(tmp_path / "out")], **RUN}
    config = build_config({**told, "noise": "camera", "gain": 0.001, "read": 0.01})
    training, held_out = find_data(config)
    ((noisy, clean),) = training_batches(training, build_recipe(config)).take(1)
    stored = {crop["clean"] for crops in crops_of(tmp_path / "out").values() for crop in crops}
    assert all(each.tobytes() in stored for each in clean.numpy())
    error = (noisy - clean).numpy()
    assert error.var() == pytest.approx((0.001 * clean.numpy() + 0.01**2).mean(), rel=0.1)
    image, partner = held_out.pair(0)
    assert (image.tobytes() in stored, partner, held_out.paired) == (True, None, False)
    assert next(training.samples(1)).tobytes() in stored
    again = source_from_json(json.loads(json.dumps(training.to_json())), 4)
    assert (again.clean, again.paired) == (True, True)

    pairs, _ = find_data(build_config({**told, "noise": "none", "method": "n2c"}))
    ((noisy, clean),) = training_batches(pairs, Recipe(config.crops, None, 0, True)).take(1)
    np.testing.assert_array_equal(clean, noisy / 2)


@pytest.mark.parametrize("scenes", [[], ["--val-scenes"]])
def test_no_noise_is_added_to_noisy_crops(scenes, dataset, tmp_path, capsys, two_layers):
    assert prepare(dataset, tmp_path / "out", *scenes) == 0
    form = ["--channels", "4", "--patch-size", "64", "--no-flips", "--network", "two_layers"]
    command = ["train", "--data", str(tmp_path / "out"), *form, "--output", str(tmp_path / "run")]
    assert main([*command, "--noise", "camera"]) == 2
    assert "its crops are noisy, and noise is for clean ones: prepare them with their" in capsys.readouterr().err
    assert main([*command, "--noise", "none", "--method", "n2c"]) == 2
    assert "say where they are, --target DIR, or prepare SIDD's crops with theirs" in capsys.readouterr().err


def test_what_cannot_be_used_is_passed_over_with_the_reason(dataset, tmp_path, capsys):
    first, second, third, fourth, _ = sorted(path for path in dataset.iterdir())
    (first / "0001_NOISY_RAW_010.MAT").write_text("text")
    second.rename(dataset / "0002_001_00100_00100_3200_L")
    sidd_form.write_metadata(third / "0003_METADATA_RAW_010.MAT", "GBRG")
    sidd_form.write_image(fourth / "0004_NOISY_RAW_010.MAT", np.zeros((120, 200), np.float32))
    assert prepare(dataset, tmp_path / "out", "--val-scenes") == 0
    said = capsys.readouterr().out
    assert "4 files were skipped" in said
    for reason in (
        "it is no MATLAB file; images of SIDD come in MATLAB's v7.3 format (HDF5)",
        "no name of a scene instance with a phone code",
        "0003_METADATA_RAW_010.MAT tells the CFA pattern GBRG, the phone IP has RGGB",
        "99×59 cells of 2×2 pixels; a crop has 64×64",
    ):
        assert reason in said
    assert len(crops_of(tmp_path / "out")) == 1


def test_held_out_images_want_their_clean_partners(dataset, tmp_path, capsys):
    write_instance(dataset, name_of(6, 2, "GP"), clean=False)
    assert prepare(dataset, tmp_path / "out") == 0
    assert "its clean partner 0006_GT_RAW_010.MAT is missing" in capsys.readouterr().out
    manifest = json.loads((tmp_path / "out" / "shards.json").read_text())
    assert {name: shard["paired"] for name, shard in manifest["shards"].items() if shard["split"] == "val"} == {
        "val/0005_002_S6_00800_00100_3200_L/0005_NOISY_RAW_010.tfrecord": True
    }


def test_a_stopped_run_goes_on(dataset, tmp_path, monkeypatch, capsys):
    calls = []

    def stopped(path):
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(path)

    read = sidd.read_image
    monkeypatch.setattr(sidd, "read_image", stopped)
    assert prepare(dataset, tmp_path / "out") == 130
    assert len(crops_of(tmp_path / "out")) == 2
    assert prepare(dataset, tmp_path / "out") == 0
    assert calls[3] == calls[2]  # on with the one it was stopped at
    assert len(calls) == 3 + 2 + 2  # two noisy images left, and a pair
    shards = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in crops_of(tmp_path / "out")}
    (tmp_path / "out" / min(shards)).write_bytes(b"cut short")
    assert prepare(dataset, tmp_path / "out") == 0
    assert len(calls) == 8  # only that one again
    assert not list((tmp_path / "out").rglob(".partial.*"))
    capsys.readouterr()
    assert prepare(dataset, tmp_path / "out", "--val-scenes", "001") == 2
    assert "holds shards of settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "status", "message"),
    [
        (["--crop-size", "129"], 2, "--crop-size 129: wanted an even number from 128 to 16384"),
        (["--val-scenes", "001", "002"], 2, "--val-scenes 001 002: are all; leave one to train on"),
        (["--step", "0"], 2, "--step 0: wanted an even number, at least 2"),
        (["--val-scenes", "009"], 2, "--val-scenes 009: wanted some of 001 002"),
        (["--crop-size", "512"], 1, "none of the images can be used"),
    ],
)
def test_settings_that_cannot_be_right(more, status, message, dataset, tmp_path, capsys):
    assert prepare(dataset, tmp_path / "out", *more) == status
    assert message in capsys.readouterr().err


def test_folders_that_hold_no_images_of_sidd(tmp_path, capsys):
    assert prepare(tmp_path, tmp_path / "out") == 1
    assert capsys.readouterr().err.endswith("no image of SIDD (<scene instance>/*_NOISY_RAW_*.MAT)\n")
    assert prepare(tmp_path / "no", tmp_path / "out") == 2
    assert "wanted a folder" in capsys.readouterr().err


@pytest.fixture
def blocks(tmp_path):
    """Noisy and clean blocks of an instance of each phone, 2 for each; and the file of names."""
    names = [name_of(number, 1, phone) for number, phone in enumerate(PHONES, 1)]
    clean = np.stack([[painted(sidd.instance(name).pattern, 32, 48) for _ in range(2)] for name in names])
    noisy = clean + RNG.normal(0, 0.05, clean.shape).astype(np.float32)
    for side, array in (("Noisy", noisy), ("Gt", clean)):
        scipy.io.savemat(tmp_path / f"Validation{side}BlocksRaw.mat", {f"Validation{side}BlocksRaw": array})
    (tmp_path / "names.txt").write_text("\ufeff" + "\r\n".join(names) + "\n", encoding="utf-8")  # as Windows does
    return noisy, clean


def evaluate(model, folder, *more):
    noisy, clean = (str(folder / f"Validation{side}BlocksRaw.mat") for side in ("Noisy", "Gt"))
    sides = ["--noisy", noisy, "--clean", clean]
    return main(["evaluate", model, *sides, "--protocol", "float", "--output", str(folder / "scores"), *more])


def psnr_of(one, other):
    errors = (np.square(np.clip(one, 0, 1) - other, dtype=np.float64)).mean((1, 2))
    return np.mean(-10 * np.log10(errors))


def test_blocks_are_scored_by_phone_and_in_all(models, blocks, tmp_path, capsys):
    noisy, clean = (side.reshape(-1, 32, 48) for side in blocks)
    names, report = ["--block-names", str(tmp_path / "names.txt")], tmp_path / "scores.json"
    assert evaluate(models("identity 4"), tmp_path, *names, "--json", str(report)) == 0
    scores = json.loads(report.read_text())["sets"]
    assert list(scores) == [*(f"SIDD validation {phone}" for phone in PHONES), "SIDD validation"]
    for number, phone in enumerate(PHONES):
        chosen = slice(2 * number, 2 * number + 2)
        expected = psnr_of(noisy[chosen], clean[chosen])
        assert scores[f"SIDD validation {phone}"]["psnr"] == pytest.approx(expected, abs=1e-4)
    assert scores["SIDD validation"]["psnr"] == pytest.approx(psnr_of(noisy, clean), abs=1e-4)
    assert scores["SIDD validation"]["images"] == 10
    assert scores["SIDD validation"]["paper"] == [51.06, 0.991]
    table = (tmp_path / "scores" / "table.md").read_text()
    assert "| SIDD validation | paper, Table 2, RRGs | 51.39 | 0.991 |" in table
    assert (tmp_path / "scores" / "pictures.png").is_file()


def scaling(factors):
    """A denoiser that multiplies each plane by another factor."""
    image = keras.Input((None, None, 4))
    layer = keras.layers.Conv2D(4, 1, use_bias=False)
    model = keras.Model(image, layer(image))
    layer.set_weights([np.diag(factors)[None, None].astype(np.float32)])
    return model


def test_each_color_of_every_phone_goes_through_its_plane(blocks, tmp_path):
    """And comes back to its place: red is halved, blue quartered, both greens stay."""
    scaling([0.5, 1, 1, 0.25]).save(tmp_path / "model.keras")
    command = ["evaluate", str(tmp_path / "model.keras"), "--noisy", str(tmp_path / "ValidationNoisyBlocksRaw.mat")]
    names = ["--block-names", str(tmp_path / "names.txt")]
    assert main([*command, *names, "--submission", str(tmp_path / "SubmitRaw.mat")]) == 0
    result = scipy.io.loadmat(tmp_path / "SubmitRaw.mat")["SubmitRaw"]
    noisy = blocks[0]
    assert (result.shape, result.dtype) == (noisy.shape, np.float32)
    for number, phone in enumerate(PHONES):
        factors = np.reshape([{"R": 0.5, "G": 1, "B": 0.25}[letter] for letter in sidd.PATTERNS[phone]], (2, 2))
        expected = np.clip(noisy[number] * np.tile(factors, (16, 24)), 0, 1)
        np.testing.assert_allclose(result[number], expected, atol=1e-6)
    assert main([*command, *names, "--submission", str(tmp_path / "SubmitRaw.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "SubmitRaw.csv").open()))
    assert [row["ID"] for row in rows] == [str(number) for number in range(10)]
    decoded = [np.frombuffer(base64.b64decode(row["BLOCK"]), "<f4").reshape(32, 48) for row in rows]
    np.testing.assert_array_equal(decoded, result.reshape(-1, 32, 48))


@pytest.mark.parametrize(
    ("model", "more", "status", "message"),
    [
        ("identity 4", [], 2, "blocks tell no CFA pattern; give --block-names FILE"),
        ("identity 4", ["--pattern", "RGBG"], 2, "--pattern: 'RGBG' is not known"),
        ("identity 4", ["--block-names", "no.txt"], 2, "--block-names no.txt: no such file"),
        ("identity 4", ["--pattern", "RGGB", "--block-names", "NAMES"], 2, "leave one out"),
        ("identity 4", ["--block-names", "SHORT"], 2, "4 names; "),
        ("identity 4", ["--block-names", "WRONG"], 2, "no name of a scene instance"),
        ("identity 4", ["--pattern", "RGGB", "--range", "0", "1"], 2, "--range: SIDD's blocks have black at 0"),
        ("identity 4", ["--pattern", "RGGB", "--protocol", "paper"], 2, "would round raw blocks to 8 bits"),
        ("identity 4", ["--pattern", "RGGB", "--submission", "x.mat"], 2, "--output with --submission"),
        ("identity 4", ["--pattern", "RGGB", "--memory", "0.1"], 1, "this image needs at least"),
        ("identity 3", ["--pattern", "RGGB"], 2, "takes images of 3 channels; raw blocks want one trained on raw"),
    ],
)
def test_blocks_that_cannot_be_scored(model, more, status, message, models, blocks, tmp_path, capsys):
    names = (tmp_path / "names.txt").read_text(encoding="utf-8-sig").split()
    (tmp_path / "short.txt").write_text("\n".join(names[1:]))
    (tmp_path / "wrong.txt").write_text("\n".join([*names[1:], "scene"]))
    files = {"NAMES": "names.txt", "SHORT": "short.txt", "WRONG": "wrong.txt"}
    more = [str(tmp_path / files[word]) if word in files else word for word in more]
    assert evaluate(models(model), tmp_path, *more) == status
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--noisy", "FOLDER", "--clean", "BLOCKS"], "wanted two folders or two MAT files of blocks"),
        (["--noisy", "FOLDER", "--clean", "FOLDER", "--pattern", "RGGB"], "--pattern: is for SIDD's blocks"),
        (["--noisy", "BLOCKS", "--pattern", "RGGB", "--submission", "x.txt"], "a name that ends in .mat or .csv"),
        (["--noisy", "BLOCKS", "--pattern", "RGGB", "--submission", "no/x.mat"], "no such folder"),
        (["--noisy", "BLOCKS", "--pattern", "RGGB", "--submission", "BLOCKS"], "exists already; name another"),
        (["--noisy", "BLOCKS", "--submission", "x.mat"], "blocks tell no CFA pattern"),
        (["--noisy", "BLOCKS", "--submission", "x.mat", "--json", "x.json"], "--json with --submission"),
        (["--noisy", "BLOCKS", "--clean", "BLOCKS", "--submission", "x.mat"], "without --clean"),
        (
            ["--noisy", "BLOCKS", "--pattern", "RGGB", "--submission", "x.mat", "--affine"],
            "--affine: a submission has no clean blocks to fit to",
        ),
    ],
)
def test_flags_of_blocks_that_contradict(more, message, models, blocks, tmp_path, capsys):
    words = {"FOLDER": str(tmp_path), "BLOCKS": str(tmp_path / "ValidationNoisyBlocksRaw.mat")}
    assert main(["evaluate", models("identity 4"), *(words.get(word, word) for word in more)]) == 2
    assert message in capsys.readouterr().err


def test_a_denoiser_that_fails_leaves_no_submission(models, blocks, tmp_path, capsys):
    scaling([np.inf, 1, 1, 1]).save(tmp_path / "model.keras")
    command = ["--noisy", str(tmp_path / "ValidationNoisyBlocksRaw.mat"), "--pattern", "RGGB"]
    command += ["--submission", str(tmp_path / "x.mat")]
    assert main(["evaluate", str(tmp_path / "model.keras"), *command]) == 1
    assert "block 1/1: the denoiser gives numbers that are not finite" in capsys.readouterr().err
    assert main(["evaluate", models("identity 4"), *command, "--memory", "0.1"]) == 1
    assert "needs at least" in capsys.readouterr().err
    assert not (tmp_path / "x.mat").exists()


def test_blocks_of_other_shapes_are_refused(models, blocks, tmp_path, capsys):
    _, clean = blocks
    path = tmp_path / "ValidationGtBlocksRaw.mat"
    scipy.io.savemat(path, {"a": clean[:, :1]})
    assert evaluate(models("identity 4"), tmp_path, "--pattern", "RGGB") == 1
    assert "(5, 1, 32, 48)" in capsys.readouterr().err
    scipy.io.savemat(path, {"a": clean[..., 1:]})
    assert evaluate(models("identity 4"), tmp_path, "--pattern", "RGGB") == 1
    assert "blocks of 32×47 pixels; wanted even sides of at least 11" in capsys.readouterr().err
    path.write_text("text")
    assert evaluate(models("identity 4"), tmp_path, "--pattern", "RGGB") == 1
    assert "is no MATLAB file" in capsys.readouterr().err
