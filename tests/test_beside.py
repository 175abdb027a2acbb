"""What `denoise` writes beside its results: a row for each file, and a map of the error to expect."""

import csv
import io
import multiprocessing
from pathlib import Path

import keras
import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

import n2n_tf
from n2n_tf.cli.main import main
from n2n_tf.inference import Denoiser
from n2n_tf.inference.uncertainty import SMOOTH, deviation, smoothed_variance
from n2n_tf.tasks import denoise_pages, file_noise, one_pass
from n2n_tf.tasks.beside import map_path
from n2n_tf.tasks.report_file import COLUMNS, ReportFile
from tests.scenes import blurred, gaussian, mixed, scene
from tests.test_raw import write_dng

KERNEL = np.array([[0.1, 0.2, 0], [0.1, 0.3, 0.2], [0, 0.1, 0]], np.float32)  # alike in none of its 8 positions
SIDE = (160, 208)


@pytest.fixture(scope="module")
def smoothers(tmp_path_factory):
    """A filter as a denoiser, of 1 or 3 channels."""
    folder = tmp_path_factory.mktemp("smoothers")

    def path(channels):
        image = keras.Input((None, None, channels))
        layer = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)
        network = keras.Model(image, layer(image))
        network.set_weights([np.tile(KERNEL[..., None, None], (1, 1, channels, 1))])
        network.save(folder / f"{channels}.keras")
        return str(folder / f"{channels}.keras")

    return {channels: path(channels) for channels in (1, 3)}


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, image.squeeze(), photometric="rgb" if image.shape[-1] == 3 else "minisblack")
    return path


def denoise(*arguments):
    return main(["denoise", *map(str, arguments)])


def rows(path):
    with open(path, newline="") as file:
        return {Path(row["file"]).name: row for row in csv.DictReader(file)}


def psnr(one, other):
    return -10 * np.log10(np.mean((one - other) ** 2))


def test_a_row_tells_the_noise_and_the_gain(smoothers, tmp_path):
    clean = scene(side=(320, 384), texture=0)
    save(tmp_path / "in" / "a.tif", gaussian(clean, 15))
    Image.fromarray(np.uint8(255 * gaussian(0.3 + 0.4 * clean, 8).clip(0, 1))).save(tmp_path / "in" / "b.png")
    assert denoise(smoothers[3], tmp_path / "in", "--output", tmp_path / "out", "--report", tmp_path / "r.csv") == 0
    found = rows(tmp_path / "r.csv")
    row, result = found["a.tif"], tifffile.imread(tmp_path / "out" / "a.tif")
    assert list(row) == list(COLUMNS)
    assert float(row["sigma"]) == pytest.approx(15 / 255, rel=0.03)
    assert float(row["sigma_of_255"]) == pytest.approx(15, rel=0.03)
    assert float(row["psnr_before"]) == pytest.approx(-20 * np.log10(15 / 255), abs=0.15)
    assert float(row["psnr_after"]) == pytest.approx(psnr(result, clean), abs=0.2)
    assert (row["valid"], row["correlated"], row["images"]) == ("yes", "no", "1")
    assert abs(float(row["rho_right"])) < 0.05
    assert float(found["b.png"]["sigma"]) == pytest.approx(8, rel=0.04)


def test_counts_in_their_own_units(smoothers, tmp_path):
    """12 counts a photon, 200 photons at 1, black at 100; odd sides; by a denoiser of photographs."""
    counts = 100 + 12 * np.random.default_rng(0).poisson(scene(1, (401, 403), texture=0) * 200)
    save(tmp_path / "a.tif", counts.astype(np.uint16))
    n2n_tf.denoise_files(
        smoothers[1], tmp_path / "a.tif", tmp_path / "out", report=tmp_path / "r.csv", value_range=(100, 2500)
    )
    row = rows(tmp_path / "r.csv")["a.tif"]
    assert float(row["a"]) == pytest.approx(1 / 200, rel=0.1)
    assert float(row["sigma"]) == pytest.approx(float(row["sigma_of_255"]) / 255 * 2400, rel=1e-4)
    assert row["valid"] == "yes"


def test_noise_that_neighbours_share_has_neither_gain_nor_map(smoothers, tmp_path, capsys):
    save(tmp_path / "a.tif", blurred(scene(), 15))
    flags = ("--report", tmp_path / "r.csv", "--uncertainty")
    assert denoise(smoothers[3], tmp_path / "a.tif", "--output", tmp_path / "out", *flags) == 0
    row = rows(tmp_path / "r.csv")["a.tif"]
    assert (row["valid"], row["correlated"], row["psnr_after"]) == ("no", "yes", "")
    assert "neighbouring pixels share noise" in row["notes"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.tif"]
    assert "no --uncertainty map: neighbouring pixels share noise" in capsys.readouterr().err


def test_the_map_is_the_smoothed_spread_scaled_to_the_error(smoothers, tmp_path):
    clean = scene(side=(160, 192), texture=0.3)  # multiples of 32: nothing is padded, which turns would move
    noisy = gaussian(clean, 25)
    save(tmp_path / "a.tif", noisy)
    n2n_tf.denoise_files(smoothers[3], tmp_path / "a.tif", tmp_path / "out", uncertainty=True)
    result, found = (tifffile.imread(tmp_path / "out" / name) for name in ("a.tif", "a_uncertainty.tif"))
    network = Denoiser(n2n_tf.load_denoiser(smoothers[3]))
    np.testing.assert_allclose(result, network(noisy), atol=1e-6)  # one pass, no mean
    each = []
    for quarters in range(4):
        for flipped in (False, True):
            turned = np.rot90(noisy[:, ::-1] if flipped else noisy, quarters)
            there = np.rot90(network(np.ascontiguousarray(turned)), -quarters)
            each.append(there[:, ::-1] if flipped else there)
    shape = np.stack([gaussian_filter(plane, SMOOTH) for plane in np.moveaxis(np.var(each, 0), -1, 0)], -1)
    np.testing.assert_allclose(found / np.sqrt(np.mean(found**2)), np.sqrt(shape / shape.mean()), rtol=1e-3)
    assert found.dtype == np.float32
    assert np.mean(found.astype(float) ** 2) == pytest.approx(np.mean((result - clean) ** 2), rel=0.1)


def test_units_scale_a_map(smoothers, tmp_path):
    """The same picture in [0, 1] and in counts of 100 to 10100, in one channel."""
    noisy = gaussian(0.2 + 0.6 * scene(1, SIDE), 15)
    save(tmp_path / "one.tif", noisy)
    save(tmp_path / "two.tif", (100 + 10000 * noisy).round().astype(np.uint16))
    n2n_tf.denoise_files(smoothers[1], tmp_path / "one.tif", tmp_path, "_d", uncertainty=True)
    n2n_tf.denoise_files(
        smoothers[1], tmp_path / "two.tif", tmp_path, "_d", uncertainty=True, value_range=(100.0, 10100.0)
    )
    one, two = (tifffile.imread(tmp_path / f"{name}_d_uncertainty.tif") for name in ("one", "two"))
    assert one.shape == two.shape == SIDE
    np.testing.assert_allclose(two, 10000 * one, rtol=0.02)


def test_tiles_and_a_middle_give_what_the_whole_gives(smoothers, tmp_path, monkeypatch):
    save(tmp_path / "a.tif", gaussian(scene(1, (333, 401), texture=0), 15))

    def measured(name, **settings):
        n2n_tf.denoise_files(
            smoothers[1],
            tmp_path / "a.tif",
            tmp_path / name,
            uncertainty=True,
            report=tmp_path / f"{name}.csv",
            **settings,
        )
        return tifffile.imread(tmp_path / name / "a_uncertainty.tif"), rows(tmp_path / f"{name}.csv")["a.tif"]

    whole, row = measured("whole")
    tiled, tiled_row = measured("tiled", tile=96)
    np.testing.assert_allclose(tiled, whole, rtol=1e-3)
    assert float(tiled_row["psnr_after"]) == pytest.approx(float(row["psnr_after"]), abs=0.02)
    for module in (one_pass, file_noise):
        monkeypatch.setattr(module, "LARGEST", 2**16)
    middle, middle_row = measured("middle", tile=96)
    assert float(middle_row["psnr_after"]) == pytest.approx(float(row["psnr_after"]), abs=0.5)
    ratio = middle / whole
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-3)  # another scale of one shape


def test_an_ensemble_has_its_own_error(smoothers, tmp_path):
    clean = scene(side=SIDE, texture=0)
    save(tmp_path / "a.tif", gaussian(clean, 25))
    for name, settings in (("one", {}), ("mean", {"ensemble": True})):
        n2n_tf.denoise_files(
            smoothers[3],
            tmp_path / "a.tif",
            tmp_path / name,
            uncertainty=True,
            report=tmp_path / f"{name}.csv",
            **settings,
        )
        result, found = (tifffile.imread(tmp_path / name / each) for each in ("a.tif", "a_uncertainty.tif"))
        assert np.mean(found**2) == pytest.approx(np.mean((result - clean) ** 2), rel=0.12)
        assert float(rows(tmp_path / f"{name}.csv")["a.tif"]["psnr_after"]) == pytest.approx(
            psnr(result, clean), abs=0.5
        )


def test_one_extra_pass_and_no_more(smoothers, tmp_path, monkeypatch):
    calls = []
    inner = Denoiser._on_channels
    monkeypatch.setattr(Denoiser, "_on_channels", lambda self, image: calls.append(1) or inner(self, image))
    save(tmp_path / "a.tif", gaussian(scene(side=SIDE), 15))
    for name, wanted, expected in (
        ("r", {}, 1),
        ("m", {"report": tmp_path / "r.csv"}, 2),
        ("u", {"uncertainty": True}, 9),
    ):
        calls.clear()
        n2n_tf.denoise_files(smoothers[3], tmp_path / "a.tif", tmp_path / name, **wanted)
        assert len(calls) == expected


def test_a_stack_is_one_row_and_a_map_of_pages(smoothers, tmp_path):
    """Two channels, of which one has no noise: what can be told is told, and of the other that it cannot."""
    clean = scene(1, SIDE, texture=0)[..., 0]
    noisy = np.stack([[gaussian(clean, 15, seed), np.full(SIDE, 0.5, np.float32)] for seed in range(3)])
    tifffile.imwrite(tmp_path / "a.ome.tif", noisy, metadata={"axes": "TCYX", "Channel": {"Name": ["GFP", "dark"]}})
    n2n_tf.denoise_files(
        smoothers[1], tmp_path / "a.ome.tif", tmp_path / "out", uncertainty=True, report=tmp_path / "r.csv"
    )
    found = tifffile.imread(tmp_path / "out" / "a_uncertainty.tif", key=range(6))
    assert found.shape == (6, *SIDE)
    assert np.isnan(found[1::2]).all()
    assert np.isfinite(found[::2]).all()
    row = rows(tmp_path / "r.csv")["a.ome.tif"]
    assert (row["valid"], row["images"]) == ("in part", "3")
    assert float(row["psnr_before"]) == pytest.approx(-20 * np.log10(15 / 255), abs=0.2)


@pytest.mark.parametrize("kind", ["bool", "nan", "few nan", "small", "constant", "cut off"])
def test_what_cannot_be_measured_is_noted_and_denoised(kind, smoothers, tmp_path):
    noisy = gaussian(scene(1, SIDE, texture=0), 15)[..., 0]
    if "nan" in kind:
        noisy[: 80 if kind == "nan" else 1, :20] = np.nan
    if kind == "cut off":
        noisy = np.uint8(255 * (3 * noisy - 0.7).clip(0, 1))
    others = {"bool": noisy > 0.5, "small": noisy[:9, :7], "constant": np.full((64, 64), 0.5, np.float32)}
    image = others.get(kind, noisy)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack")
    outcome = n2n_tf.denoise_files(
        smoothers[1], tmp_path / "a.tif", tmp_path / "out", uncertainty=True, report=tmp_path / "r.csv"
    )
    assert not outcome.failed
    row = rows(tmp_path / "r.csv")["a.tif"]
    notes = {
        "bool": "1 bit", "nan": "have no data", "few nan": "0.06 % of the pixels have no data", "small": "at least 16",
        "constant": "hardly any noise", "cut off": "cut off at black or white",
    }  # fmt: skip
    assert notes[kind] in row["notes"]
    assert row["valid"] == ("yes" if kind == "few nan" else "no")
    assert map_path(tmp_path / "out" / "a.tif").exists() == (kind == "few nan")
    if kind == "few nan":
        found = tifffile.imread(tmp_path / "out" / "a_uncertainty.tif")
        np.testing.assert_array_equal(np.isnan(found), np.isnan(noisy))


def test_each_plane_of_a_mosaic_is_measured_and_has_no_map(models, tmp_path, capsys):
    write_dng(tmp_path / "a.dng", size=(600, 800))
    arguments = models("identity 4"), tmp_path / "a.dng", "--suffix", "_d"
    assert denoise(*arguments, "--uncertainty") == 2
    assert "--uncertainty with a raw model: flips would displace" in capsys.readouterr().err
    assert denoise(*arguments, "--report", tmp_path / "r.csv") == 0
    row = rows(tmp_path / "r.csv")["a.dng"]
    assert all(f" {plane} " in row["notes"] for plane in ("R", "G1", "G2", "B"))
    if row["valid"] == "yes":  # doing nothing
        assert float(row["psnr_after"]) == pytest.approx(float(row["psnr_before"]), abs=0.05)


def test_rows_are_kept_over_runs_and_an_interrupted_one_ends_with_all(smoothers, tmp_path, monkeypatch, capsys):
    for name in ("a", "b", "c"):
        save(tmp_path / "in" / f"{name}.tif", gaussian(scene(1, SIDE), 15))
    arguments = (smoothers[1], tmp_path / "in", "--output", tmp_path / "out", "--report", tmp_path / "r.csv")
    inner = denoise_pages.write_like

    def stopped(source, *rest):
        if Path(source).name == "b.tif":
            raise KeyboardInterrupt
        return inner(source, *rest)

    monkeypatch.setattr(denoise_pages, "write_like", stopped)
    assert denoise(*arguments, "--uncertainty") == 130
    assert list(rows(tmp_path / "r.csv")) == ["a.tif"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.tif", "a_uncertainty.tif"]
    monkeypatch.undo()
    assert denoise(*arguments, "--uncertainty") == 0
    assert sorted(rows(tmp_path / "r.csv")) == ["a.tif", "b.tif", "c.tif"]
    before = (tmp_path / "r.csv").read_bytes()
    assert denoise(*arguments, "--uncertainty") == 0
    assert (tmp_path / "r.csv").read_bytes() == before
    assert "have no" not in capsys.readouterr().err
    assert denoise(*arguments[:-1], tmp_path / "new.csv") == 0
    assert "3 results that were there already have no row in the --report" in capsys.readouterr().err


def test_maps_beside_the_inputs_are_no_inputs(smoothers, tmp_path):
    save(tmp_path / "in" / "a.tif", gaussian(scene(1, SIDE), 15))
    for extra in (["--uncertainty"], ["--uncertainty"], []):
        assert denoise(smoothers[1], tmp_path / "in", "--suffix", "_d", *extra) == 0
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["a.tif", "a_d.tif", "a_d_uncertainty.tif"]


@pytest.mark.parametrize("wrong", ["another file", "same name"])
def test_no_other_file_is_replaced(wrong, smoothers, tmp_path, capsys):
    save(tmp_path / "a.tif", gaussian(scene(1, SIDE), 15))
    extra = ["--uncertainty"]
    if wrong == "another file":
        (tmp_path / "r.csv").write_text("name,score\nx,1\n")
        extra = ["--report", tmp_path / "r.csv"]
    else:
        save(tmp_path / "a_uncertainty.tif", gaussian(scene(1, SIDE), 15))
    inputs = sorted(tmp_path.glob("*.tif"))
    assert denoise(smoothers[1], *inputs, "--output", tmp_path / "out", *extra) == 2
    told = {"another file": "is no report of this version", "same name": "both results would be"}
    assert told[wrong] in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def put(path, name):
    for number in range(20):
        ReportFile(path).put([{"file": f"{name}{number}", "notes": 'a, "b"'}])


def test_two_processes_lose_no_row(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=put, args=(tmp_path / "r.csv", name)) for name in "xy"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = rows(tmp_path / "r.csv")
    assert len(found) == 40
    assert found["x3"]["notes"] == 'a, "b"'
    assert [path.name for path in tmp_path.iterdir()] == ["r.csv"]


def test_the_map_of_a_network_that_turns_with_the_image():
    with pytest.raises(ValueError, match="does not change with flips"):
        deviation(np.zeros((8, 8, 1), np.float32), 1e-3, (slice(None), slice(None)), 1.0)
    shape = smoothed_variance(np.random.default_rng(0).random((40, 50, 2)).astype(np.float32))
    found = deviation(shape.copy(), 0.25, (slice(8, 30), slice(5, 45)), 10.0)
    assert np.mean(found[8:30, 5:45] ** 2) == pytest.approx(100 * 0.25, rel=1e-4)


def test_signal_dependent_noise_in_a_range_of_each_image(smoothers, tmp_path):
    """`auto` gives two pages two ranges; the noise is measured in one of them."""
    clean = 0.2 + 0.6 * scene(1, SIDE, texture=0)
    pages = [mixed(clean * light, 1 / 200, 0, seed)[..., 0] * 1000 for seed, light in enumerate((1, 0.6))]
    tifffile.imwrite(tmp_path / "a.tif", np.float32(pages), photometric="minisblack")
    n2n_tf.denoise_files(
        smoothers[1],
        tmp_path / "a.tif",
        tmp_path / "out",
        uncertainty=True,
        value_range="auto",
        report=tmp_path / "r.csv",
    )
    results, maps = (tifffile.imread(tmp_path / "out" / name, key=range(2)) for name in ("a.tif", "a_uncertainty.tif"))
    for light, result, found in zip((1, 0.6), results, maps, strict=True):
        true = np.mean((result - 1000 * light * clean[..., 0]) ** 2)
        assert np.mean(found**2) == pytest.approx(true, rel=0.25)


def test_a_png_that_was_a_jpeg_has_no_estimate(models, tmp_path):
    """JPEG removes noise from flat areas first: what is measured there is too little, whatever the file is now."""
    pixels = np.uint8(np.round(gaussian(0.1 + 0.7 * scene(side=(480, 512)), 15).clip(0, 1) * 255))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=75)
    Image.open(stream).save(tmp_path / "was.png")
    Image.fromarray(pixels).save(tmp_path / "never.png")
    n2n_tf.denoise_files(models("identity 3"), tmp_path, tmp_path / "out", report=tmp_path / "r.csv")
    found = rows(tmp_path / "r.csv")
    assert (found["was.png"]["valid"], found["never.png"]["valid"]) == ("no", "yes")
    assert "JPEG has changed the noise" in found["was.png"]["notes"]
