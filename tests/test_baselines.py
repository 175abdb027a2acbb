"""Denoisers that need no training set: what they gain, what they are by other means, and where they can be used."""

import csv
import importlib.machinery
import importlib.util
import json
import sys
import types

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq
from scipy.stats import poisson
from skimage.restoration import denoise_nl_means

import n2n_tf
from n2n_tf.baselines import BASELINES, baseline_of, dip, self2self
from n2n_tf.baselines.anscombe import restored, stabilised
from n2n_tf.baselines.anscombe_bm3d import anscombe_bm3d
from n2n_tf.baselines.bm3d import bm3d
from n2n_tf.baselines.denoiser import Baseline
from n2n_tf.baselines.level import sigma_of
from n2n_tf.baselines.zs_n2n import pair, zs_network
from n2n_tf.cli.main import main
from n2n_tf.config import UsageError
from n2n_tf.evaluation.metrics import psnr
from n2n_tf.evaluation.protocol import Paper
from n2n_tf.formats import bayer
from n2n_tf.ownership import owned
from n2n_tf.progress import ProgressLine
from n2n_tf.tasks import baseline_costs
from n2n_tf.tasks.compare import Bench
from n2n_tf.tasks.comparison import read_comparison

SIGMA = 25 / 255
INSTALLED = importlib.util.find_spec("bm3d") is not None
real = pytest.mark.skipif(not INSTALLED, reason="bm3d, extra `bm3d`, is not installed: free for non-commercial use")


def smooth(height, width, channels=3):
    rows, columns = np.mgrid[:height, :width] / 9
    waves = [np.sin(rows + phase) * np.cos(columns - phase) for phase in range(channels)]
    return (0.5 + 0.3 * np.stack(waves, -1)).astype(np.float32)


def noisy_of(clean, sigma=SIGMA, seed=0):
    return (clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)).astype(np.float32)


def blurred(image, sigma):
    """What stands in for the package: its result depends on σ and on the neighbours, and NaN does not come in."""
    assert np.isfinite(image).all()
    assert min(image.shape[:2]) >= 9  # a smaller one ends the process
    return gaussian_filter(image, (10 * sigma, 10 * sigma, 0)[: image.ndim])


def stand_in():
    package = types.ModuleType("bm3d")
    package.__spec__ = importlib.machinery.ModuleSpec("bm3d", None)
    package.bm3d = lambda image, sigma: blurred(image, sigma)

    def bm3d_rgb(image, sigma):
        for span in (np.ptp(image @ row) for row in ([1, 1, 1], [1, 0, -1], [1, -2, 1])):
            assert span > 0  # the package divides by it
        return blurred(image, sigma)

    package.bm3d_rgb = bm3d_rgb
    return package


@pytest.fixture
def package(monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", stand_in())


@pytest.fixture
def quick(monkeypatch):
    """Narrow networks, that learn fast."""
    monkeypatch.setattr(dip, "FEATURES", 16)
    monkeypatch.setattr(dip, "SCALES", 2)
    for name, value in (("ENCODER", 16), ("DECODER", 16), ("LAST", (16, 16)), ("LEVELS", 2), ("RATE", 5e-3)):
        monkeypatch.setattr(self2self, name, value)


FEW = {"dip": {"steps": 2}, "self2self": {"steps": 1, "predictions": 1}, "zs_n2n": {"steps": 2}}
GAINING = {"dip": {"steps": 60}, "self2self": {"steps": 200, "predictions": 10}, "zs_n2n": {"steps": 150}}


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.usefixtures("package", "quick")
def test_each_gains(name):
    clean = smooth(40, 36)
    noisy = noisy_of(clean)
    given = noisy.copy()
    denoised = Baseline(baseline_of(name, **GAINING.get(name, {})))(noisy)
    np.testing.assert_array_equal(noisy, given)
    assert denoised.dtype == np.float32
    assert psnr(denoised, clean) > psnr(noisy, clean) + 4


@real
@pytest.mark.parametrize("name", ["bm3d", "anscombe_bm3d"])
def test_the_package_gains(name):
    clean = smooth(40, 36, 1)
    noisy = noisy_of(clean) if name == "bm3d" else np.random.default_rng(0).poisson(clean * 30) / np.float32(30)
    assert psnr(Baseline(name)(noisy.astype(np.float32)), clean) > psnr(noisy, clean) + 8


@real
def test_bm3d_is_what_the_package_gives():
    import bm3d as package

    noisy = noisy_of(smooth(33, 40))
    np.testing.assert_allclose(bm3d(noisy, SIGMA), package.bm3d_rgb(noisy.astype(float), SIGMA), atol=1e-6)
    gray = noisy[..., :1]
    np.testing.assert_allclose(bm3d(gray, SIGMA)[..., 0], package.bm3d(gray[..., 0].astype(float), SIGMA), atol=1e-6)


@real
@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 8, 3), (5, 19, 3)])
def test_the_package_survives_small_images(shape):
    assert np.isfinite(Baseline("bm3d")(noisy_of(smooth(*shape)))).all()


@pytest.mark.parametrize("sigma", [0.0, SIGMA * 255])
def test_nlm_is_scikit_images(sigma):
    noisy = noisy_of(smooth(40, 50))
    level = sigma / 255 or sigma_of(noisy)
    expected = denoise_nl_means(noisy, 5, 6, 0.6 * level, fast_mode=True, sigma=level, channel_axis=-1)
    np.testing.assert_allclose(Baseline(baseline_of("nlm", known_sigma=sigma))(noisy), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(60, 60, 1), (60, 60, 3), (400, 400, 3)])
def test_sigma_is_measured_large_or_small(shape):
    """To 8 %: on 400×400 by patches, else from some tens of flat blocks with 21 numbers each."""
    assert sigma_of(noisy_of(smooth(*shape))) == pytest.approx(SIGMA, rel=0.08)


def test_sigma_of_gray_stored_as_colours():
    gray = noisy_of(smooth(60, 60, 1))
    assert sigma_of(np.repeat(gray, 3, -1)) == sigma_of(gray)


def expectation(x, gain, offset):
    """E of the transformation of gain·Poisson(x / gain) + normal of variance `offset`, by sums and Gauss-Hermite."""
    counts = np.arange(poisson.ppf(1e-13, x / gain), poisson.ppf(1 - 1e-13, x / gain) + 1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    values = gain * counts[:, None] + np.sqrt(offset) * nodes
    inner = stabilised(values, gain, offset) @ (weights / weights.sum())
    return float(poisson.pmf(counts, x / gain) @ inner)


@pytest.mark.parametrize(("gain", "offset"), [(1 / 30, 0.0), (1 / 30, 0.0004), (0.01, 0.002), (0.2, 0.0)])
def test_the_inverse_is_unbiased(gain, offset):
    """Against the exact inverse, by root finding on the numerical expectation; within 0.03 photons or 1 %."""
    for x in (0.1, 0.3, 0.5, 0.9):
        mean = expectation(x, gain, offset)
        found = float(restored(np.array(mean), gain, offset))
        assert found == pytest.approx(x, abs=max(0.03 * gain, 0.01 * x))
        exact = brentq(lambda each: expectation(each, gain, offset) - mean, 1e-3, 2)  # noqa: B023
        assert found == pytest.approx(exact, abs=max(0.03 * gain, 0.01 * x))


def test_the_algebraic_inverse_would_fail():
    gain, x = 0.2, 0.3
    mean = expectation(x, gain, 0.0)
    algebraic = gain * (mean**2 / 4 - 3 / 8)
    assert abs(algebraic - x) > max(0.03 * gain, 0.01 * x)


def test_the_transformation_makes_the_variance_one():
    draws = np.random.default_rng(0).poisson(20, 200_000) / 30 + np.random.default_rng(1).normal(0, 0.02, 200_000)
    assert stabilised(draws, 1 / 30, 0.0004).var() == pytest.approx(1, rel=0.02)  # its standard error is 0.3 %
    assert pytest.approx(1, rel=0.02) != (20 / 30**2 + 0.0004)


def test_no_light_is_no_light():
    assert restored(np.array(0.0), 1 / 30, 0.0) == pytest.approx(0, abs=1e-6)


@pytest.mark.usefixtures("package")
def test_gaussian_noise_is_left_to_bm3d():
    noisy = noisy_of(smooth(64, 64, 1))
    assert np.isfinite(anscombe_bm3d(noisy)).all()
    told = anscombe_bm3d(noisy, gain=0.05, offset=0.0)
    assert np.abs(told - anscombe_bm3d(noisy)).max() > 1e-3


@pytest.fixture
def eager():
    """Without graphs, whose making takes longer than some steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("shape", [(1, 1), (7, 5, 3), (1, 40, 1), (33, 47, 3), (20, 21, 2), (2, 18, 22, 4)])
@pytest.mark.usefixtures("package", "quick", "eager")
def test_any_shape(name, shape):
    image = noisy_of(smooth(*shape[:2], 1)[..., 0]) if len(shape) == 2 else noisy_of(smooth(*shape[-3:]))
    image = np.stack([image, image]) if len(shape) == 4 else image
    denoised = Baseline(baseline_of(name, **FEW.get(name, {})), kind="RGB")(image)
    assert denoised.shape == shape
    assert np.isfinite(denoised).all()


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("image", [np.full((20, 20, 3), 0.5, np.float32), np.zeros((5, 5), np.uint8)])
@pytest.mark.usefixtures("package")
def test_a_constant_image_stays(name, image):
    np.testing.assert_array_equal(Baseline(name)(image), image)


@pytest.mark.parametrize("name", FEW)
@pytest.mark.usefixtures("quick", "eager")
def test_the_same_seed_gives_the_same(name):
    noisy = noisy_of(smooth(17, 20))
    one, again, other = (Baseline(baseline_of(name, **FEW[name], seed=seed))(noisy) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-4


@pytest.mark.usefixtures("package")
def test_colours_are_kept_apart_where_they_are_no_colours(monkeypatch):
    image = noisy_of(smooth(24, 24))
    seen = []
    monkeypatch.setattr("n2n_tf.baselines.bm3d.bm3d", lambda one, sigma: seen.append(one.shape[-1]) or one)
    for kind in ("RGB", "channels"):
        Baseline("bm3d", 3, kind)(image)
    assert seen == [3, 1, 1, 1]


@pytest.mark.usefixtures("package")
def test_gray_stored_as_colours_reaches_no_division_by_zero():
    gray = noisy_of(smooth(30, 30, 1))
    colours = np.repeat(gray, 3, -1)
    np.testing.assert_allclose(bm3d(colours, SIGMA), np.repeat(bm3d(gray, SIGMA), 3, -1), atol=1e-6)
    colours[..., 0] = 0.5
    bm3d(colours, SIGMA)


def test_integers_and_their_range():
    clean = smooth(40, 40, 1)[..., 0]
    floats = noisy_of(clean)
    counts = np.round(400 + 3000 * floats).astype(np.uint16)
    denoised = Baseline("nlm", 1, value_range=(400, 3400))(counts)
    assert denoised.dtype == np.uint16
    np.testing.assert_allclose((denoised - 400.0) / 3000, Baseline("nlm", 1)(floats), atol=2e-3)


def test_clipping_without_flat_blocks_says_so():
    image = (np.indices((32, 32)).sum(0) % 2).astype(np.float32)
    image[0, 0] = 0.5
    with pytest.raises(ValueError, match=r"say how strong it is \(`known_sigma`\)"):
        Baseline("nlm", 1)(image)


def test_zs_n2ns_parts():
    assert zs_network(3, 0).count_params() == 22_275  # the paper's 22 thousand
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    one, other = (np.asarray(half)[0, ..., 0] for half in pair(image))
    np.testing.assert_array_equal(one, [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_array_equal(other, [[2.5, 4.5], [10.5, 12.5]])
    image[0, 0, 0, 0] = 100  # is in one of the two
    one, other = (np.asarray(half)[0, 0, 0, 0] for half in pair(image))
    assert (one, other) == (2.5, 52.5)


def test_partial_convolution_sees_no_hidden_pixel():
    network = self2self.PartialUNet(2, 0)
    image, mask = np.random.default_rng(0).random((2, 1, 32, 32, 2)).astype(np.float32)
    mask = (mask < 0.7).astype(np.float32)
    seed = np.array([0, 1], np.int32)
    expected = network(image, mask, seed)
    np.testing.assert_array_equal(network(image + (1 - mask), mask, seed), expected)
    assert np.abs(network(image + mask, mask, seed) - expected).max() > 1e-4


def test_partial_convolution_of_a_constant_does_not_see_the_mask():
    import keras

    conv = keras.layers.Conv2D(1, 3, kernel_initializer="ones")
    mask = (np.random.default_rng(0).random((1, 12, 12, 1)) < 0.5).astype(np.float32)
    result, shown = self2self.partial(conv, np.ones((1, 12, 12, 1), np.float32), mask)
    assert (np.asarray(shown) == 1).mean() > 0.9
    inner = np.asarray(result)[0, 1:-1, 1:-1, 0][np.asarray(shown)[0, 1:-1, 1:-1, 0] > 0]
    np.testing.assert_allclose(inner, 9, rtol=1e-5)


@pytest.mark.usefixtures("quick", "eager")
def test_dip_goes_back_after_a_fall(monkeypatch):
    errors = iter([1.0, 1.0, 100.0, 1.0])
    monkeypatch.setattr(dip, "LOOK", 1)
    set_weights = []

    def fitted(what, loss, variables, rate, steps, seed):
        for error in errors:
            yield error, loss(np.array([0, 0], np.int32))[1]

    network = dip.dip_network

    def watched(channels, seed):
        made = network(channels, seed)
        monkeypatch.setattr(made, "set_weights", lambda weights: set_weights.append(1))
        return made

    monkeypatch.setattr(dip, "fitted", fitted)
    monkeypatch.setattr(dip, "dip_network", watched)
    dip.dip(noisy_of(smooth(16, 16, 1)), 4)
    assert set_weights == [1]


def test_ctrl_c_ends_it_and_the_bar(monkeypatch):
    def stop(line, amount=1):
        raise KeyboardInterrupt

    monkeypatch.setattr(ProgressLine, "advance", stop)
    with pytest.raises(KeyboardInterrupt):
        Baseline(baseline_of("zs_n2n", steps=5))(noisy_of(smooth(12, 12)))
    assert ProgressLine._shown is None


def test_a_bar_within_a_bar():
    with ProgressLine("outer", 2, quiet=True) as outer:
        with ProgressLine("inner", 3) as inner:
            inner.advance()
            inner.say("a third")
            assert [task.description for task in outer._progress.tasks] == ["outer", "inner"]
        outer.advance()
        assert [task.completed for task in outer._progress.tasks] == [1]
    assert ProgressLine._shown is None


@pytest.mark.parametrize("name", ["bm3d", "anscombe_bm3d"])
def test_without_the_package(name, monkeypatch, tmp_path, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda each: None if each == "bm3d" else find(each))
    with pytest.raises(UsageError, match=r'bm3d is not installed: pip install "n2n-tf\[bm3d\]"'):
        Baseline(name)
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "a.png")
    assert main(["denoise", name, str(tmp_path / "a.png"), "--output", str(tmp_path / "out")]) == 2
    assert f'MODEL {name}: bm3d is not installed: pip install "n2n-tf[bm3d]"' in capsys.readouterr().err


def to_bytes(image):
    return np.uint8(np.clip(image, 0, 1) * 255 + 0.5)


def test_files_of_all_kinds(tmp_path):
    gray, colours = noisy_of(smooth(30, 31, 1))[..., 0], noisy_of(smooth(30, 31))
    (tmp_path / "in").mkdir()
    Image.fromarray(to_bytes(colours)).save(tmp_path / "in/a.png")
    counts = np.uint16(1000 + 500 * gray)
    tifffile.imwrite(tmp_path / "in/b.tif", counts)
    report = tmp_path / "report.csv"
    command = ["denoise", "nlm", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--report", str(report)]
    assert main(command) == 0
    expected = Baseline("nlm")(to_bytes(colours))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/a.png")), expected)
    denoised = tifffile.imread(tmp_path / "out/b.tif")
    assert denoised.dtype == np.uint16
    np.testing.assert_array_equal(denoised, Baseline("nlm", 1, value_range="auto")(counts))
    with report.open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 2


def test_mosaics_plane_by_plane():
    planes = noisy_of(smooth(24, 28, 4))
    denoiser = Baseline("nlm", 4)
    assert denoiser.kind == "mosaic"
    expected = np.concatenate([Baseline("nlm", 1)(planes[..., plane : plane + 1]) for plane in range(4)], -1)
    np.testing.assert_array_equal(denoiser(planes), expected)


def test_raw_files_go_through_the_planes(tmp_path, monkeypatch):
    from n2n_tf.formats import readers
    from n2n_tf.tasks.assigned import by_kind
    from n2n_tf.tasks.plan import plan_files

    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.dng").write_bytes(b"")
    raw = types.SimpleNamespace(kind="mosaic", is_raw=True, dtype="uint16")
    pages = readers.pages
    monkeypatch.setattr(readers, "pages", lambda path: [raw] if path.endswith("dng") else pages(path))
    parts = by_kind(plan_files([str(tmp_path)], str(tmp_path / "out")), None)
    assert [(kind, limits, len(part.files)) for kind, limits, part in parts] == [("RGB", None, 1), ("mosaic", None, 1)]


@pytest.fixture
def kodak(tmp_path):
    (tmp_path / "kodak").mkdir()
    for number in range(3):
        Image.fromarray(to_bytes(smooth(40, 44 + number))).save(tmp_path / f"kodak/{number}.png")
    return tmp_path / "kodak"


def test_evaluate_beside_a_model(kodak, models, tmp_path):
    out = tmp_path / "out"
    command = ["evaluate", "nlm", models("identity 3"), "--data", str(kodak), "--noise", "gaussian", "--sigma", "25"]
    assert main([*command, "--repeats", "1", "--output", str(out)]) == 0
    found = json.loads((out / "nlm.json").read_text())["sets"]["kodak"]
    identity = json.loads((out / "identity3.json").read_text())["sets"]["kodak"]
    assert found["psnr"] > identity["psnr"] + 5
    direct = n2n_tf.evaluate("nlm", kodak, n2n_tf.noise.Gaussian(SIGMA), repeats=1).summary("denoised")["kodak"]
    assert found["psnr"] == direct["psnr"]
    told = n2n_tf.evaluate(baseline_of("nlm", known_sigma=50), kodak, n2n_tf.noise.Gaussian(SIGMA), repeats=1)
    assert told.summary("denoised")["kodak"]["psnr"] != direct["psnr"]


def test_it_is_given_the_image_without_padding():
    seen = []
    denoiser = Baseline("nlm")
    denoiser._function = lambda image: seen.append(image.shape) or image
    Paper().denoise(denoiser, smooth(33, 50))
    assert seen == [(33, 50, 3)]


def test_gray_images_are_evaluated_as_such(tmp_path, capsys):
    (tmp_path / "gray").mkdir()
    Image.fromarray(to_bytes(smooth(30, 30, 1)[..., 0])).save(tmp_path / "gray/a.png")
    command = ["evaluate", "nlm", "--data", str(tmp_path / "gray"), "--noise", "gaussian", "--output"]
    assert main([*command, str(tmp_path / "out"), "--channels", "1"]) == 0
    assert main([*command, str(tmp_path / "other")]) != 0


def test_sidds_blocks_plane_by_plane(tmp_path):
    import scipy.io

    clean = np.stack([bayer.unpack(smooth(16, 16, 4), "RGGB", 32, 32) for _ in range(2)])[None]
    for name, blocks in (("clean", clean), ("noisy", noisy_of(clean, 0.05))):
        scipy.io.savemat(tmp_path / f"{name}.mat", {name: blocks})
    command = ["evaluate", "nlm", "--noisy", str(tmp_path / "noisy.mat"), "--clean", str(tmp_path / "clean.mat")]
    told = ["--pattern", "RGGB", "--protocol", "float", "--output", str(tmp_path / "out")]
    assert main([*command, *told]) == 0
    with (tmp_path / "out/scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    scores = {
        name: np.mean([float(row["psnr"]) for row in rows if row["denoiser"] == name]) for name in ("noisy", "nlm")
    }
    assert scores["nlm"] > scores["noisy"] + 2


TABLE = """
[settings]
network = "two_layers"
features = 2
patch_size = 64
epochs = 1
steps_per_epoch = 2

[tests]
Kodak = "{kodak}"

[noises]
"gaussian 25" = {{ noise = "gaussian", sigma = 25 }}

[rows]
"N2N" = {{ method = "noise2noise", data = ["{kodak}"] }}
"NLM" = {{ baseline = "nlm" }}
"ZS-N2N" = {{ baseline = "zs_n2n", steps = 2, images = 2 }}

[paper."gaussian 25"]
"NLM" = {{ Kodak = [30, 0.8] }}
"""


@pytest.fixture
def table(kodak, tmp_path):
    path = tmp_path / "table.toml"
    path.write_text(TABLE.format(kodak=kodak), encoding="utf-8")
    return path


def test_rows_of_a_comparison(table, kodak, tmp_path, capsys, monkeypatch):
    path, out = table, tmp_path / "out"
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith('"N2N"'))
    path.write_text(text)
    command = ["compare", str(path), "--output", str(out), "--repeats", "2"]
    assert main([*command, "--only", "zs_n2n-gaussian_25"]) == 0
    assert not (out / "table.md").exists()
    first = json.loads((out / "cells/zs_n2n-gaussian_25/scores.json").read_text())
    assert len(first["scores"]) == 2  # two images, one draw each
    assert main(command) == 0
    assert json.loads((out / "cells/zs_n2n-gaussian_25/scores.json").read_text()) == first  # not denoised again
    lines = (out / "table.md").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("| NLM |") and "| 30.00 / 0.800 |" in line for line in lines)
    assert any(line.startswith("| ZS-N2N |") and ", first 2 |" in line for line in lines)
    assert not any("not trained yet" in line for line in lines)
    with (out / "scores.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 + 6 + 2
    direct = n2n_tf.evaluate("nlm", kodak, n2n_tf.noise.Gaussian(SIGMA), repeats=2).summary("denoised")["kodak"]
    found = [float(row["psnr"]) for row in rows if row["denoiser"] == "NLM"]
    assert np.mean(found) == pytest.approx(direct["psnr"], abs=1e-9)
    monkeypatch.setattr(Baseline, "__call__", lambda *_: pytest.fail("all is there"))
    before = sorted(map(str, rows))
    assert main([*command, "--score"]) == 0
    with (out / "scores.csv").open(encoding="utf-8") as file:
        assert sorted(map(str, csv.DictReader(file))) == before
    with Image.open(out / "pictures.png") as sheet:
        assert sheet.height > 100
    path.write_text(text.replace("steps = 2", "steps = 3"))
    assert main(command) == 2
    assert "has scores of" in capsys.readouterr().err


def test_a_row_has_one_owner(table, tmp_path, capsys):
    """Two processes would each write the scores that they know, and lose the other's."""
    command = ["compare", str(table), "--output", str(tmp_path / "out"), "--only", "nlm-gaussian_25"]
    with owned(tmp_path / "out/cells/nlm-gaussian_25", doing="denoising"):
        assert main(command) == 1
    assert "is denoising there already" in capsys.readouterr().err
    assert main([*command, "--repeats", "1"]) == 0


def test_cost_of_a_megapixel(monkeypatch):
    monkeypatch.setattr(baseline_costs, "_seconds", lambda settings, *_: 5 + 0.5 * getattr(settings, "steps", 0))
    megapixel = 1e6 / baseline_costs.SIDE**2
    told = baseline_of("self2self", steps=1000, predictions=30)
    assert baseline_costs.seconds_a_megapixel(told, 3, "RGB") == pytest.approx(0.5 * 1010 * megapixel)
    assert baseline_costs.seconds_a_megapixel(baseline_of("nlm"), 3, "RGB") == pytest.approx(5 * megapixel)


@pytest.mark.usefixtures("two_layers")
def test_the_plan_has_both(table, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(baseline_costs, "seconds_a_megapixel", lambda settings, *_: 3600 * len(settings.name))
    assert main(["compare", str(table), "--output", str(tmp_path / "out"), "--plan"]) == 0
    rows = {row[0]: row for row in Bench(read_comparison(table, {}, {}), tmp_path / "out").plan()}
    assert rows["n2n-gaussian_25"][1] == "2"
    assert rows["nlm-gaussian_25"][1] == "30 images"  # 3 images, the paper's 10 draws on Kodak
    assert rows["zs_n2n-gaussian_25"][1] == "2 images"
    pixels = [40 * (44 + number) / 1e6 for number in range(3)]
    assert rows["nlm-gaussian_25"][2:] == ("1.08e+04 a megapixel", "", f"{3 * 10 * sum(pixels):.2f}")
    assert rows["zs_n2n-gaussian_25"][4] == f"{6 * sum(pixels[:2]):.2f}"
    assert not (tmp_path / "out/cells").exists()


def test_a_row_whose_package_is_not_there_keeps_none_from_its_turn(table, monkeypatch, caplog):
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda each: None if each == "bm3d" else find(each))
    table.write_text(table.read_text().replace('baseline = "nlm"', 'baseline = "bm3d"'))
    cells = {cell.row: cell for cell in read_comparison(table, {}, {}).cells}
    assert cells["NLM"].missing == "needs n2n-tf[bm3d]"
    assert "free for non-commercial use" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('baseline = "nlm"', 'baseline = "nlmm"', "`baseline`: 'nlmm' is not known.*did you mean 'nlm'"),
        ("steps = 2,", "gamma = 2,", "`baseline` zs_n2n: setting: 'gamma' is not known"),
        ("steps = 2,", "steps = -2,", "`steps` -2: wanted at least 0"),
        ("images = 2", 'images = "2"', "`images` '2': wanted how many of each set"),
        ("images = 2", "images = -1", "`images` -1: wanted how many"),
    ],
)
def test_wrong_rows(table, old, new, text):
    told = table.read_text(encoding="utf-8")
    assert told.count(old) == 1
    table.write_text(told.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError, match=text):
        read_comparison(table, {}, {})


def test_wrong_use_is_one_line(tmp_path, kodak, capsys, models):
    photo = str(kodak / "0.png")
    out = ["--output", str(tmp_path / "out")]
    scored = ["--data", str(kodak), "--noise", "gaussian"]
    model = models("identity 3")
    for command, text in (
        (["denoise", "nlm", photo, *out, "--steps", "3"], "--steps: is for MODEL dip or self2self or zs_n2n"),
        (["denoise", "blind", photo, *out, "--known-sigma", "3"], "--known-sigma: is for MODEL bm3d or nlm"),
        (["denoise", "nlm", photo, *out, "--ensemble"], "--ensemble with MODEL nlm: is for networks"),
        (["denoise", "nlm", photo, *out, "--known-sigma", "-1"], "--known-sigma -1.0: wanted at least 0"),
        (["denoise", "nlm", *out], "no INPUT: nlm is taken for the MODEL"),
        (["denoise", "nlm", photo, *out, "--uncertainty"], "--uncertainty with MODEL nlm"),
        (["evaluate", "nlm", model, *scored, *out, "--channels", "1"], "--channels: the trained MODEL tells them"),
        (["evaluate", "nlm", *scored, *out, "--memory", "2"], "--memory with MODEL nlm: is for networks"),
    ):
        assert main(command) == 2, command
        assert text in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_of_the_same_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nlm").mkdir()
    assert main(["denoise", "./nlm", "--output", "out"]) == 2
    assert "no image in ./nlm" in capsys.readouterr().err


def test_rows_for_the_noise_that_they_are_made_for(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "bm3d", stand_in())
    text = table.read_text().replace('baseline = "nlm"', 'baseline = "anscombe_bm3d"')
    table.write_text(
        text.replace('"gaussian 25" = { noise', '"poisson 30" = { noise = "poisson" }\n"gaussian 25" = { noise')
    )
    cells = {cell.name: cell for cell in read_comparison(table, {}, {}).cells}
    assert cells["nlm-gaussian_25"].missing == "not for this noise"
    assert not cells["nlm-poisson_30"].missing
