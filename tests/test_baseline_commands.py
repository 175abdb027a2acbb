"""Denoisers that need no training set, in files, evaluations and comparisons."""

import csv
import importlib.machinery
import importlib.util
import json
import sys
import types

import numpy as np
import pytest
import tifffile
from PIL import Image

import n2n_tf
from n2n_tf.baselines import baseline_of
from n2n_tf.baselines.denoiser import Baseline
from n2n_tf.cli.main import main
from n2n_tf.config import RunError, UsageError
from n2n_tf.evaluation.protocol import Paper
from n2n_tf.formats import bayer
from n2n_tf.ownership import owned
from n2n_tf.tasks import baseline_costs
from n2n_tf.tasks.compare import Bench
from n2n_tf.tasks.comparison import read_comparison
from tests.test_baselines import SIGMA, noisy_of, smooth, stand_in


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
    kept = out / "cells/nlm-gaussian_25/scores.json"
    half = json.loads(kept.read_text())
    half["scores"].popitem()
    kept.write_text(json.dumps(half))
    assert main([*command, "--score"]) == 0
    assert f", {len(half['scores'])} of {len(half['scores']) + 1} so far |" in (out / "table.md").read_text("utf-8")
    kept.unlink()
    assert main([*command, "--score"]) == 0  # what could take hours is not begun
    lines = (out / "table.md").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("| NLM | not trained yet |") for line in lines)
    path.write_text(text.replace("steps = 2", "steps = 3"))
    assert main(command) == 2
    assert "has scores of" in capsys.readouterr().err


@pytest.fixture
def one_black(tmp_path):
    """Three pairs; most of the second is cut off at black, so that its noise cannot be measured."""
    for name in ("noisy", "clean"):
        (tmp_path / name).mkdir()
    for number in range(3):
        clean = smooth(40, 44)
        noisy = noisy_of(clean * (number != 1)) - 0.2 * (number == 1)
        for name, image in (("noisy", noisy), ("clean", clean)):
            Image.fromarray(to_bytes(image)).save(tmp_path / name / f"{number}.png")
    return tmp_path / "noisy", tmp_path / "clean"


def test_an_image_that_a_denoiser_cannot_take_costs_it_that_score_alone(one_black, models, tmp_path, capsys):
    noisy, clean = map(str, one_black)
    out = tmp_path / "out"
    pairs = ["--noisy", noisy, "--clean", clean, "--output"]
    assert main(["evaluate", "nlm", models("identity 3"), *pairs, str(out)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert any("without a score" in line for line in lines)
    assert any("nlm" in line and "1.png" in line and "--known-sigma" in line for line in lines)
    with (out / "scores.csv").open(encoding="utf-8") as file:
        rows = [row["denoiser"] for row in csv.DictReader(file)]
    assert [rows.count(name) for name in ("noisy", "nlm", "identity3")] == [3, 2, 3]
    table = (out / "table.md").read_text(encoding="utf-8").splitlines()
    assert any("| nlm |" in line and "| 2 of 3 |" in line for line in table)
    assert any("| identity3 |" in line and "| 3 × 1 |" in line for line in table)
    assert "1.png" in str(json.loads((out / "nlm.json").read_text())["failed"])
    assert "is clipped" in (out / "report.html").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match=r"`ensemble`: is for networks, and no model is one"):
        n2n_tf.evaluate("nlm", noisy=noisy, clean=clean, ensemble=True)
    results = n2n_tf.evaluate("nlm", noisy=noisy, clean=clean)
    assert results.summary("denoised")["noisy"]["images"] == 2
    assert list(results.failed) == [("noisy", "denoised", f"{clean}/1.png", 0)]


def test_a_denoiser_that_can_take_none_of_the_images_writes_nothing(one_black, tmp_path, capsys):
    noisy, clean = one_black
    for number in (0, 2):
        (noisy / f"{number}.png").unlink()
    out = tmp_path / "out"
    assert main(["evaluate", "nlm", "--noisy", str(noisy), "--clean", str(clean), "--output", str(out)]) == 1
    assert "no scores were written" in capsys.readouterr().err
    assert not list(out.glob("*"))
    with pytest.raises(RunError, match="no scores were written"):
        n2n_tf.evaluate("nlm", noisy=noisy, clean=clean)


def test_an_image_that_a_row_cannot_take_costs_it_that_score_alone(table, one_black, tmp_path, capsys):
    noisy, _ = one_black
    text = table.read_text(encoding="utf-8").replace('noise = "gaussian", sigma = 25', 'noise = "none"')
    text = text.replace(f'Kodak = "{tmp_path / "kodak"}"', f'Kodak = "{tmp_path}"')
    text = text.replace('"ZS-N2N"', '"NLM, two" = { baseline = "nlm", images = 2 }\n"ZS-N2N"')
    table.write_text("\n".join(line for line in text.splitlines() if not line.startswith('"N2N"')), encoding="utf-8")
    command = ["compare", str(table), "--output", str(tmp_path / "out")]
    only = [*command, "--only", next(c.name for c in read_comparison(table, {}, {}).cells if c.row == "NLM")]
    for each in (only, command):
        assert main(each) == 1
        error = capsys.readouterr().err
        assert "1.png" in error
        assert "is clipped" in error
    lines = (tmp_path / "out/table.md").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("| NLM |") and ", 2 of 3 |" in line for line in lines)
    assert any(line.startswith("| NLM, two |") and ", 1 of the first 2 |" in line for line in lines)
    assert any(line.startswith("| ZS-N2N |") and ", first 2 |" in line for line in lines)
    assert main([*command, "--score"]) == 1  # nothing is tried again, and the reasons are still there
    assert "is clipped" in capsys.readouterr().err
    assert (tmp_path / "out/table.md").read_text(encoding="utf-8").splitlines() == lines
    for number in (0, 2):  # now there is none that it can take
        (noisy / f"{number}.png").write_bytes((noisy / "1.png").read_bytes())
    assert main([*command[:-1], str(tmp_path / "other")]) == 1
    lines = (tmp_path / "other/table.md").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("| NLM | failed |") for line in lines)


@pytest.mark.parametrize(
    ("flags", "form"),
    [
        ({}, (3, "RGB")),
        ({"kind": "gray"}, (1, "gray")),
        ({"channels": 4}, (4, "channels")),
        ({"channel": ("DAPI",)}, (1, "gray")),
    ],
)
def test_rows_without_training_take_the_images_of_the_runs(table, kodak, flags, form, tmp_path):
    """Also where files or a channel tell which these are: a stack of four channels is no mosaic."""
    if "channels" in flags:
        tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((4, 64, 64), np.uint16), ome=True, metadata={"axes": "CYX"})
        flags = {**flags, "data": (str(tmp_path / "a.ome.tif"),)}
        table.write_text(table.read_text().replace(f', data = ["{kodak}"]', ""))
    run, untrained, _ = read_comparison(table, flags, {}).cells
    images = run.config().images
    assert (images.channels, images.image_kind) == untrained.form == form


@pytest.mark.usefixtures("two_layers")
def test_test_images_of_sixteen_bits_are_not_rounded(table, kodak, tmp_path, capsys):
    """As `evaluate --protocol float` scores them."""
    (tmp_path / "deep").mkdir()
    for path in kodak.iterdir():
        tifffile.imwrite(tmp_path / "deep" / f"{path.stem}.tif", np.uint16(257) * np.asarray(Image.open(path)))
    table.write_text(
        table.read_text().replace(f'Kodak = "{kodak}"', f'Deep = "{tmp_path / "deep"}"').split("[paper")[0]
    )
    command = ["compare", str(table), "--output", str(tmp_path / "out")]
    assert main([*command, "--only", "nlm-gaussian_25"]) == 0
    assert "Deep: more than 8 bits, scored without rounding" in capsys.readouterr().err
    assert main([*command, "--score"]) == 0
    with (tmp_path / "out/scores.csv").open(encoding="utf-8") as file:
        found = [float(row["psnr"]) for row in csv.DictReader(file) if row["denoiser"] == "NLM"]
    noise = n2n_tf.noise.Gaussian(SIGMA)
    alone = n2n_tf.evaluate("nlm", tmp_path / "deep", noise, protocol="float").summary("denoised")["deep"]
    assert len(found) == len(list(kodak.iterdir()))
    assert np.mean(found) == pytest.approx(alone["psnr"], abs=1e-6)


@pytest.mark.usefixtures("two_layers")
@pytest.mark.parametrize(
    ("tests", "text"),
    [
        ('"EMPTY"', "`test` Kodak: .*EMPTY"),
        ('{ noisy = "a.mat", clean = "a.mat" }', "`test` Kodak: .*raw blocks want"),
    ],
)
def test_tests_that_cannot_be_scored_are_told_before_training(table, kodak, tests, text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "a.mat").write_bytes(b"no blocks")
    told = table.read_text().replace(f'Kodak = "{kodak}"', f"Kodak = {tests}")
    table.write_text(told)
    comparison = read_comparison(table, {}, {})
    with pytest.raises(UsageError, match=text):
        Bench(comparison, tmp_path / "out").check(comparison.cells)


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
