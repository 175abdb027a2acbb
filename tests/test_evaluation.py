import csv
import dataclasses
import json
import logging
import shutil

import numpy as np
import pytest
import tifffile
from conftest import identity
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from n2n_tf.cli.main import main
from n2n_tf.data.images import find_images
from n2n_tf.evaluation.metrics import psnr, ssim
from n2n_tf.evaluation.pictures import CAPTION, VIEW, comparison, liveliest, side_by_side, stacked
from n2n_tf.evaluation.protocol import Float, Paper, TestSet, evaluate
from n2n_tf.evaluation.results import Results, markdown
from n2n_tf.inference import Denoiser
from n2n_tf.noise import Gaussian, Poisson

RNG = np.random.default_rng(0)


def test_psnr_equals_scikit_images():
    clean, image = RNG.random((2, 20, 30, 3))
    assert psnr(image, clean) == pytest.approx(peak_signal_noise_ratio(clean, image, data_range=1))
    assert psnr(clean, clean) == 100
    assert psnr(clean, clean + 1e-3) == pytest.approx(60)


def test_a_pixel_that_is_no_number_is_no_perfect_score():
    clean = RNG.random((20, 30, 3))
    image = clean.copy()
    image[3, 4, 1] = np.nan
    assert np.isnan(psnr(image, clean))


def test_metrics_equal_the_authors_code(reference):
    case = np.load(reference / "metrics.npz")
    assert psnr(case["distorted"], case["reference"], 255) == pytest.approx(float(case["psnr"]), abs=1e-4)
    assert ssim(case["distorted"], case["reference"], 255) == pytest.approx(float(case["ssim"]), abs=1e-4)
    scaled = case["distorted"] / 255, case["reference"] / 255
    assert ssim(*scaled) == pytest.approx(float(case["ssim"]), abs=1e-4)


@pytest.fixture
def sets(tmp_path):
    """Folders kodak, bsd300, set14 of two small images each; named so that sorting alone would not order them."""
    for name in ("kodak", "bsd300", "set14", "mine"):
        (tmp_path / name).mkdir()
        for number, shape in enumerate([(40, 52, 3), (64, 33, 3)]):
            rows, columns = np.mgrid[: shape[0], : shape[1]]
            image = 127 + 90 * np.sin(rows / 6 + number)[..., None] * np.cos(columns / 5)[..., None] * [1, 0.5, 0.9]
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / name / f"{number}.png")
    return tmp_path


def clean_of(folder):
    return [np.asarray(Image.open(path)) for path in sorted(folder.iterdir())]


NOISES = {
    "gaussian": (Gaussian(25 / 255), lambda x: x + np.random.normal(size=x.shape) * 25 / 255),
    "gaussian range": (
        Gaussian(5 / 255, 50 / 255),
        lambda x: x + np.random.uniform(5 / 255, 50 / 255, (1, 1, 1)) * np.random.normal(size=x.shape),
    ),
    "poisson": (Poisson(30.0), lambda x: np.random.poisson(30.0 * x) / 30.0),
    "poisson range": (Poisson(5.0, 50.0), None),
}


@pytest.mark.parametrize("name", NOISES)
def test_the_papers_noise_is_that_of_numpys_legacy_generator(name, sets):
    """Seeded once, then drawn draw after draw, image after image, set after set; padded to a square of 32s."""
    noise, formula = NOISES[name]
    if formula is None:

        def formula(x):
            lam = np.random.uniform(5.0, 50.0, size=(1, 1, 1))
            return np.random.poisson(lam * x) / lam

    seen = []
    tests = [TestSet(s, find_images([str(sets / s)], 3).pages, noise, r) for s, r in (("kodak", 2), ("set14", 3))]
    cases = list(evaluate(tests, {"spy": lambda image: seen.append(image) or image}, Paper()))
    assert [(case.set.name, case.repeat) for case in cases[::2]] == [("kodak", 0), ("kodak", 1)] + [
        ("set14", repeat) for repeat in range(3)
    ]
    state = np.random.get_state()
    np.random.seed(101)
    expected = []
    for folder, repeats in ((sets / "kodak", 2), (sets / "set14", 3)):
        for _ in range(repeats):
            expected += [formula(np.array(x, np.float32) / 255.0).astype(np.float32) for x in clean_of(folder)]
    np.random.set_state(state)
    assert len(seen) == len(expected) == 10
    for square, noisy in zip(seen, expected, strict=True):
        height, width = noisy.shape[:2]
        assert square.shape == (64, 64, 3)
        assert square.dtype == np.float32
        np.testing.assert_array_equal(square, np.pad(noisy, ((0, 64 - height), (0, 64 - width), (0, 0)), "reflect"))


@pytest.mark.parametrize("protocol", [Paper(), Float()])
def test_scores_are_those_of_the_result(protocol, sets):
    pages = find_images([str(sets / "mine")], 3).pages
    cases = list(evaluate([TestSet("mine", pages, Gaussian(0.1))], {"half": lambda image: image / 2}, protocol))
    assert len(cases) == len(pages) > 1
    for case in cases:
        whole = clean_of(sets / "mine")[int(case.page.path[-5])]
        result = case.results["half"]
        if isinstance(protocol, Paper):
            assert result.dtype == case.clean.dtype == np.uint8
            np.testing.assert_array_equal(case.clean, whole)
        assert result.shape == whole.shape
        expected = peak_signal_noise_ratio(case.clean, result, data_range=protocol.peak)
        assert case.scores["half"][0] == pytest.approx(expected)


def test_the_float_protocol_does_not_round(sets):
    pages = find_images([str(sets / "mine")], 3).pages
    shift = {"shift": lambda image: image + 0.001}  # a quarter of an 8-bit step
    tiny = Gaussian(1e-9)
    assert next(evaluate([TestSet("mine", pages, tiny)], shift, Paper())).scores["shift"][0] == 100
    assert next(evaluate([TestSet("mine", pages, tiny)], shift, Float())).scores["shift"][0] == pytest.approx(
        60, abs=0.1
    )


def test_summary_means_and_standard_error():
    results = Results({"s": {"paper, Table 1": (30.0, 0.9)}})
    results.rows = [("s", "d", "a", 0, 20.0, 0.5), ("s", "d", "a", 1, 22.0, 0.7), ("s", "d", "b", 0, 30.0, 0.8),
                    ("s", "d", "b", 1, 32.0, 0.8), ("t", "d", "c", 0, 10.0, 0.1)]  # fmt: skip
    summary = results.summary("d")
    assert summary["s"]["psnr"] == 26
    assert summary["s"]["psnr_standard_error"] == pytest.approx(5)  # image means 21 and 31
    assert summary["s"]["ssim"] == pytest.approx(0.7)
    assert (summary["s"]["images"], summary["s"]["repeats"]) == (2, 2)
    assert summary["t"]["psnr_standard_error"] is None
    few = dataclasses.replace(results, rows=[*results.rows, ("t", "e", "c", 0, 9.0, 0.1)]).summary("e")
    assert list(few) == ["t"]  # it was not begun on s
    assert results.table()[1:] == [
        ("s", "d", "26.00 ± 5.00", "0.700 ± 0.100", "2 × 2"),
        ("s", "paper, Table 1", "30.00", "0.900", ""),
        ("t", "d", "10.00", "0.100", "1 × 1"),
    ]
    assert markdown([("a", "b"), ("1", "2")]) == "| a | b |\n|---|---|\n| 1 | 2 |\n"


def run(*arguments):
    return main(["evaluate", *map(str, arguments)])


def test_the_command_writes_tables_scores_and_pictures(sets, models, capsys):
    model, out = models("identity 3"), sets / "out"
    data = [sets / name for name in ("mine", "set14", "kodak")]
    command = [
        model,
        "--data",
        *data,
        "--noise",
        "gaussian",
        "--repeats",
        "2",
        "--output",
        out,
        "--json",
        sets / "f.json",
    ]
    assert run(*command) == 0
    scores = json.loads((sets / "f.json").read_text())
    assert list(scores["sets"]) == ["kodak", "set14", "mine"]  # the paper's order first
    kodak = scores["sets"]["kodak"]
    assert (kodak["images"], kodak["repeats"], kodak["paper"]) == (2, 2, [32.08, 0.879])
    assert scores["sets"]["mine"]["paper"] is None
    with (out / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 * 2 * 2  # sets, images, draws, noisy and identity
    mean = np.mean([float(row["psnr"]) for row in rows if (row["set"], row["denoiser"]) == ("kodak", "identity3")])
    assert kodak["psnr"] == pytest.approx(mean)
    assert kodak["psnr"] == pytest.approx(20 * np.log10(255 / 25), abs=0.3)
    assert json.loads((out / "identity3.json").read_text()) == scores
    table = (out / "table.md").read_text()
    assert "| kodak | paper, Table 1 | 32.08 | 0.879 |  |" in table
    assert "paper, Table 1" in capsys.readouterr().out
    with Image.open(out / "pictures.png") as sheet:
        assert sheet.height == 3 * 2 * (VIEW + 2 * CAPTION)
    assert run(*command) == 2
    assert "holds an evaluation already" in capsys.readouterr().err


def test_several_models_stand_in_one_table_with_the_same_noise(sets, models):
    out = sets / "out"
    arguments = ["--data", sets / "mine", "--noise", "poisson", "--output", out, "--pictures", "1"]
    assert run(models("identity 3"), models("negative 3"), *arguments) == 0
    with (out / "scores.csv").open() as file:
        rows = {(row["denoiser"], row["image"]): row["psnr"] for row in csv.DictReader(file)}
    images = {image for _, image in rows}
    assert len(rows) == 6
    for image in images:
        assert rows["noisy", image] == rows["identity3", image]
        assert rows["negative3", image] != rows["identity3", image]
    assert sorted(path.name for path in out.glob("*.json")) == ["identity3.json", "negative3.json"]
    with Image.open(out / "pictures.png") as sheet:
        assert sheet.width == round(52 * VIEW / 40) + 4 * VIEW  # whole, noisy, two models, clean


def test_the_papers_repeats_are_the_default(sets, models):
    out = sets / "out"
    assert (
        run(models("identity 3"), "--data", sets / "bsd300", sets / "mine", "--noise", "gaussian", "--output", out) == 0
    )
    found = json.loads((out / "identity3.json").read_text())["sets"]
    assert {name: each["repeats"] for name, each in found.items()} == {"bsd300": 3, "mine": 1}


def test_pairs_are_matched_by_name(sets, models, capsys):
    noisy, clean = sets / "noisy", sets / "mine"
    noisy.mkdir()
    for number, image in enumerate(clean_of(clean)):
        Image.fromarray(255 - image).save(noisy / f"{number}.bmp")
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(noisy / "alone.png")
    arguments = ["--noisy", noisy, "--clean", clean, "--protocol", "float"]
    assert run(models("negative 3"), *arguments, "--output", sets / "out") == 0
    found = json.loads((sets / "out" / "negative3.json").read_text())["sets"]["noisy"]
    assert (found["psnr"], found["images"]) == (100, 2)
    assert "alone.png: no partner in" in capsys.readouterr().out
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(noisy / "0.bmp")
    assert run(models("negative 3"), *arguments, "--output", sets / "out2") == 1
    error = capsys.readouterr().err
    assert "pairs of different size" in error
    assert "20×20 pixels, its partner 52×40" in error
    assert not (sets / "out2").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--data", "mine"], 2, "say which noise to add"),
        (["--data", "mine", "--noise", "none"], 2, "say which noise to add"),
        (["--noise", "gaussian"], 2, "wanted --data PATH... (clean images) with --noise, or both"),
        (["--noisy", "mine"], 2, "wanted --data PATH... (clean images) with --noise, or both"),
        (["--noisy", "mine", "--clean", "mine", "--sigma", "3"], 2, "no noise is added, so leave --noise, --sigma"),
        (["--noisy", "mine", "--clean", "nowhere"], 2, "--clean nowhere: wanted a folder"),
        (["--data", "mine", "--noise", "gausian"], 2, "did you mean 'gaussian'?"),
        (["--data", "mine", "--noise", "poisson", "--sigma", "25"], 2, "--sigma has no effect with --noise poisson"),
        (["--data", "mine", "--noise", "camera", "--read", "2"], 2, "--read 2.0: wanted at least 0 and at most 1"),
        (["--data", "mine", "--noise", "gaussian", "--protocol", "papre"], 2, "did you mean 'paper'?"),
        (["--data", "mine", "--noise", "gaussian", "--repeats", "0"], 2, "--repeats 0: wanted at least 1"),
        (["--data", "nowhere", "--noise", "gaussian"], 2, "--data nowhere: no such folder or file"),
        (["--data", "mine", "--noise", "gaussian", "--json", "no/f.json"], 2, "--json no/f.json: no such folder"),
        (["--data", "mine", "--noise", "gaussian", "--pictures", "-1"], 2, "--pictures -1: wanted at least 0"),
        (["--data", "mine", "mine", "--noise", "gaussian"], 2, "sets of one name cannot be told apart"),
        (["--data", "tiny", "--noise", "gaussian"], 1, "9×9 pixels, smaller than the 11×11 needed"),
        (["--data", "broken", "--noise", "gaussian"], 1, "a.png: cannot be decoded"),
        (["--data", "broken", "--noise", "gaussian", "--range", "auto"], 1, "a.png: cannot be decoded"),
        (
            ["--data", "deep", "--noise", "gaussian"],
            1,
            "uint16, which this protocol would round: --protocol float",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_evaluated(arguments, status, message, sets, models, monkeypatch, capsys):
    for folder in ("tiny", "broken"):
        (sets / folder).mkdir()
        side = 9 if folder == "tiny" else 60
        Image.fromarray(RNG.integers(0, 255, (side, side, 3), np.uint8)).save(sets / folder / "a.png")
    (sets / "deep").mkdir()
    tifffile.imwrite(sets / "deep" / "a.tif", np.zeros((20, 20, 3), np.uint16), photometric="rgb")
    (sets / "broken" / "a.png").write_bytes((sets / "broken" / "a.png").read_bytes()[:3000])
    model = models("identity 3")
    monkeypatch.chdir(sets)
    assert run(model, *arguments, "--output", "out") == status
    assert message in capsys.readouterr().err
    assert not list(sets.glob("out/*"))


def test_names_that_could_be_mistaken(sets, models):
    """A model called noisy; a set given as a glob; brackets, which mean something to rich."""
    shutil.copy(models("negative 3"), sets / "noisy.keras")
    (sets / "mine").rename(sets / "mine[1]")
    out = sets / "out"
    data = ["--data", sets / "kodak" / "*.png", sets / "mine[1]", "--noise", "gaussian", "--repeats", "1"]
    assert run(sets / "noisy.keras", *data, "--output", out) == 0
    rows = [line.split(" | ")[:2] for line in (out / "table.md").read_text().splitlines()[2:]]
    label = str(sets / "noisy.keras")
    assert rows == [["| kodak", "noisy"], ["| kodak", label], ["| kodak", "paper, Table 1"],
                    ["| mine[1]", "noisy"], ["| mine[1]", label]]  # fmt: skip


def test_models_that_cannot_be_compared(sets, models, capsys):
    rest = ["--data", sets / "mine", "--noise", "gaussian", "--output", sets / "out"]
    assert run(models("identity 3"), models("identity 1"), *rest) == 2
    assert "models of [1, 3] channels cannot be compared" in capsys.readouterr().err
    assert run(models("identity 3"), models("identity 3"), *rest) == 2
    assert "named twice" in capsys.readouterr().err
    assert run(models("identity 3"), models("negative 3"), *rest, "--json", "f.json") == 2
    assert "--json: takes one MODEL" in capsys.readouterr().err


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_stand_side_by_side_over_their_captions(channels):
    images = {"left": np.full((40, 60, channels), -1.0), "right": np.full((40, 60, channels), 0.5)}
    sheet = np.asarray(side_by_side(images))
    assert sheet.shape == (40 + CAPTION, 120, 3)
    assert not sheet[:40, :60].any()
    assert (sheet[:40, 60:] == 128).all()
    assert sheet[40:].min() < 64  # there is a caption


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(100, 160), (11, 11), (300, 40)])
def test_a_comparison_shows_the_whole_and_its_liveliest_part(channels, size):
    clean = np.zeros((*size, channels), np.float32)
    clean[-3:, -3:] = 1
    top, left, side = liveliest(clean)
    assert clean[top : top + side, left : left + side].any()
    sheet = np.asarray(comparison(clean, {"a\n20.00 dB": clean, "b\n30.00 dB": 1 - clean}, "RGB"))
    assert sheet.shape == (VIEW + 2 * CAPTION, round(size[1] * VIEW / size[0]) + 3 * VIEW, 3)
    pair = np.asarray(stacked([comparison(clean, {"a": clean}, "RGB"), comparison(clean, {"a": clean}, "RGB")]))
    assert pair.shape[0] == 2 * (VIEW + CAPTION)


@pytest.mark.parametrize(
    ("noise", "expected"),
    [(Gaussian(25 / 255), (19.629, 0.69262)), (Poisson(30.0), (19.359, 0.64197))],
    ids=["gaussian", "poisson"],
)
def test_converted_weights_get_the_authors_scores(noise, expected, reference, authors_unet):
    """What their code gave for their weights, after a short training, on set14 alone, one draw."""
    folder = reference.parent / "data" / "set14"
    if not folder.is_dir():
        pytest.skip("the authors' test set is not beside this checkout (../shared/data/set14)")
    denoiser = Denoiser(authors_unet("mini_official_gauss25.pth"))
    cases = list(evaluate([TestSet("set14", find_images([str(folder)], 3).pages, noise)], {"x": denoiser}, Paper()))
    mean = np.mean([case.scores["x"] for case in cases], axis=0)
    assert len(cases) == 12
    assert mean[0] == pytest.approx(expected[0], abs=0.01)
    assert mean[1] == pytest.approx(expected[1], abs=0.0005)


def test_any_callable_is_a_denoiser(sets, caplog):
    caplog.set_level(logging.INFO)
    pages = find_images([str(sets / "mine")], 3).pages
    denoisers = {"mean": lambda image: np.full_like(image, image.mean()), "identity": Denoiser(identity(3))}
    scores = next(evaluate([TestSet("mine", pages, Gaussian(0.1))], denoisers, Float())).scores
    assert scores["identity"][0] > scores["mean"][0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("uint16", "uint32"), ("uint16", "int16"), ("uint16", "float32"), ("uint16", "float64"), ("float32", "uint16"),
        ("int32", "uint16"), ("uint32", "uint16"), ("int16", "uint16"),
    ],
)  # fmt: skip
def test_references_in_the_counts_of_the_noisy_images_whatever_their_type(one, other, tmp_path, models):
    """A mean of many exposures has another type than one of them."""
    clean = 800 + 300 * np.sin(np.mgrid[:40, :52][0] / 6)
    pair = {"noisy": (clean + RNG.normal(0, 60, clean.shape)).astype(one), "clean": clean.astype(other)}
    for name, image in pair.items():
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "0.tif", image)
    folders = [models("identity 1"), "--noisy", tmp_path / "noisy", "--clean", tmp_path / "clean"]
    for told, span in ((["--range", "0", "4095"], 4095), (["--range", "dtype"], 65535)):
        assert run(*folders, *told, "--protocol", "float", "--output", tmp_path / str(span)) == 0
        with (tmp_path / str(span) / "scores.csv").open() as file:
            found = float(next(csv.DictReader(file))["psnr"])
        values = [pair[name].astype(float) for name in ("clean", "noisy")]
        assert found == pytest.approx(peak_signal_noise_ratio(*values, data_range=span), abs=1e-3)


@pytest.mark.parametrize(("told", "warned"), [("auto", True), ("dtype", False)])
def test_references_in_other_units_are_named(told, warned, tmp_path, models, capsys):
    clean = RNG.integers(40, 90, (40, 52))
    for name, image in (("noisy", np.uint16(clean * 16)), ("clean", np.uint8(clean))):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "0.tif", image)
    pair = [models("identity 1"), "--noisy", tmp_path / "noisy", "--clean", tmp_path / "clean"]
    assert run(*pair, "--range", told, "--protocol", "float", "--output", tmp_path / "out") == 0
    assert ("0.tif: uint8, the whole of it for 0 to 1, beside uint16 from" in capsys.readouterr().err) == warned


@pytest.mark.parametrize("protocol", ["paper", "float"])
def test_affine_scores_what_is_left_after_a_line_fitted_by_least_squares(protocol, sets, models, capsys):
    """The noisy images are darker than the clean ones; against polyfit, on floats, rounded only then."""
    noisy, clean = sets / "mine", sets / "brighter"
    clean.mkdir()
    expected = []
    for path in sorted(noisy.iterdir()):
        dark = np.asarray(Image.open(path)).astype(float)
        bright = np.clip(np.round(30 + 0.8 * dark + RNG.normal(0, 6, dark.shape)), 0, 255).astype(np.uint8)
        Image.fromarray(bright).save(clean / path.name)
        fitted = np.clip(np.polyval(np.polyfit(dark.ravel(), bright.ravel() / 255, 1), dark), 0, 1)
        fitted = np.round(fitted * 255) / 255 if protocol == "paper" else fitted
        expected.append(peak_signal_noise_ratio(bright / 255, fitted, data_range=1))
    arguments = ["--noisy", noisy, "--clean", clean, "--protocol", protocol, "--output", sets / "out"]
    assert run(models("identity 3"), models("negative 3"), *arguments, "--affine") == 0
    assert "| PSNR of a·x + b, dB | SSIM of a·x + b |" in (sets / "out" / "table.md").read_text()
    with (sets / "out" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    for denoiser in ("noisy", "identity3", "negative3"):  # a line turns the negative back
        scores = [float(row["psnr"]) for row in rows if row["denoiser"] == denoiser]
        assert scores == pytest.approx(expected, abs=0.01)
    saved = json.loads((sets / "out" / "identity3.json").read_text())
    assert saved["settings"]["affine"] is True


def test_affine_leaves_a_constant_result_its_mean(sets):
    pages = find_images([str(sets / "mine")], 3).pages
    tests = [TestSet("mine", pages, Gaussian(0.1))]
    cases = list(evaluate(tests, {"flat": lambda image: image * 0 + 0.3}, Float(), affine=True))
    assert len(cases) == len(pages) > 1
    for case in cases:
        assert case.scores["flat"][0] == pytest.approx(-10 * np.log10(case.clean.var(dtype=float)), abs=1e-3)


@pytest.mark.parametrize(("more", "paper"), [([], [32.08, 0.879]), (["--affine"], None)])
def test_affine_hides_the_papers_scores(more, paper, sets, models):
    """Nothing was fitted there, so that they cannot be compared."""
    arguments = ["--data", sets / "kodak", "--noise", "gaussian", "--repeats", "1", "--output", sets / "out"]
    assert run(models("identity 3"), *arguments, *more) == 0
    assert ("paper, Table 1" in (sets / "out" / "table.md").read_text()) == (paper is not None)
    assert json.loads((sets / "out" / "identity3.json").read_text())["sets"]["kodak"]["paper"] == paper
