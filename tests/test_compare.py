"""`n2n-tf compare`: what a table tells, what is trained, and what is written."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import n2n_tf
from n2n_tf.cli.main import main
from n2n_tf.config import RunError, UsageError
from n2n_tf.tasks.compare import Bench
from n2n_tf.tasks.compare_scores import Scores
from n2n_tf.tasks.comparison import read_comparison
from n2n_tf.training.costs import seconds_per_step

pytestmark = pytest.mark.usefixtures("two_layers")
CONFIGS = Path(__file__).parents[1] / "configs"
TABLE = """
[settings]
data = ["{data}"]
network = "two_layers"
features = 2
patch_size = 64
batch_size = 2
epochs = 1
steps_per_epoch = 2

[tests]
Kodak = "{tests}"

[noises]
"gaussian 25" = {{ noise = "gaussian", sigma = 25 }}
"poisson 30" = {{ noise = "poisson", lam = 30 }}

[rows]
"Ours, γ = 0" = {{ gamma = 0 }}
"R2R" = {{ method = "recorrupted2recorrupted" }}
"DIP" = {{ missing = "not built yet" }}
"Laine19" = {{ missing = "method laine19: not built yet" }}

[paper."gaussian 25"]
"Ours, γ = 0" = {{ Kodak = [31.77, 0.874] }}
"DIP" = {{ Kodak = [27.20, 0.720] }}
"""


@pytest.fixture
def table(photos, tmp_path):
    (tmp_path / "tests").mkdir()
    for number, path in enumerate(sorted(photos.iterdir())[:2]):
        Image.open(path).convert("RGB").crop((0, 0, 64, 64)).save(tmp_path / "tests" / f"{number}.png")
    path = tmp_path / "table.toml"
    path.write_text(TABLE.format(data=photos, tests=tmp_path / "tests"), encoding="utf-8")
    return path


@pytest.mark.parametrize(("number", "rows", "told"), [(1, 18, 4), (2, 13, 1), (3, 4, 4), (4, 3, 4)])
def test_the_papers_tables_are_there(number, rows, told):
    path = CONFIGS / f"table{number}.toml"
    comparison = read_comparison(path, {"data": ("x",)}, {})
    assert len(comparison.cells) == rows * told
    assert len(comparison.paper) == told
    names = {cell.row for cell in comparison.cells}
    for noise, scores in comparison.paper.items():
        assert noise in comparison.noises
        assert set(scores) <= names
    built = [cell for cell in comparison.cells if cell.is_run]
    assert {(c := cell.config()).run.epochs * c.run.steps_per_epoch for cell in built} == {2000}


def test_the_papers_own_row_is_that_of_evaluate():
    from n2n_tf.evaluation.paper import TABLE_1

    comparison = read_comparison(CONFIGS / "table1.toml", {"data": ("x",)}, {})
    for noise, sets in TABLE_1.items():
        own = {test.lower(): scores for test, scores in comparison.paper[noise]["Neighbor2Neighbor"].items()}
        assert own == sets


def test_the_table_of_methods_trained_alike():
    cells = read_comparison(CONFIGS / "table_alike.toml", {"data": ("x",)}, {}).cells
    assert len(cells) == 22
    assert sum(not cell.missing for cell in cells) == 20  # two methods know gaussian noise alone


def test_one_run_a_cell_and_scores_beside_the_paper(table, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["compare", str(table), "--output", str(out)]
    assert main([*command, "--only", "ours_gamma_0-gaussian_25"]) == 0
    assert [path.name for path in (out / "cells").iterdir()] == ["ours_gamma_0-gaussian_25"]
    assert not (out / "table.md").exists()
    before = (out / "cells/ours_gamma_0-gaussian_25/denoiser.keras").stat().st_mtime_ns
    assert main([*command, "--repeats", "1"]) == 0
    assert (out / "cells/ours_gamma_0-gaussian_25/denoiser.keras").stat().st_mtime_ns == before  # not trained again
    assert {path.name for path in (out / "cells").iterdir()} == {
        "ours_gamma_0-gaussian_25", "ours_gamma_0-poisson_30", "r2r-gaussian_25",
    }  # fmt: skip
    text = (out / "table.md").read_text(encoding="utf-8")
    assert re.search(r"\| Ours, γ = 0 \| \d+\.\d\d / 0\.\d{3} \| 31\.77 / 0\.874 \| \d", text)
    assert re.search(r"\| DIP \| not built yet \| 27\.20 / 0\.720 \|  \|", text)
    assert "| Laine19 | method laine19: not built yet |  |  |" in text
    assert "| R2R | not for this noise |  |  |" in text.partition("poisson 30")[2]
    with (out / "scores.csv").open(encoding="utf-8") as file:
        scores = list(csv.DictReader(file))
    assert len(scores) == 2 * (3 + 2)  # images, times noisy and what is trained
    run = out / "cells/r2r-gaussian_25"
    direct = n2n_tf.evaluate(run, tmp_path / "tests", n2n_tf.noise.Gaussian(25 / 255), repeats=1)
    expected = direct.summary("denoised")["tests"]["psnr"]
    found = [float(row["psnr"]) for row in scores if row["denoiser"] == "R2R"]
    assert np.mean(found) == pytest.approx(expected, abs=1e-6)
    with Image.open(out / "pictures.png") as sheet:
        assert sheet.height > 200


def test_a_row_with_a_noise_of_its_own_is_scored_on_that_of_the_table(table, tmp_path):
    text = table.read_text(encoding="utf-8").replace(
        '"R2R" = { method', '"R2R" = { noise = "camera", gain = 0.02, method'
    )
    table.write_text(text.replace('"recorrupted2recorrupted"', '"n2c"'), encoding="utf-8")
    comparison = read_comparison(table, {}, {})
    own = comparison.cell("r2r-poisson_30").config().noise
    assert (own.name, own.gain, str(comparison.added["poisson 30"].build())) == ("camera", (0.02,), "poisson 30")
    assert comparison.cell("ours_gamma_0-poisson_30").config().noise.name == "poisson"
    bench = Bench(comparison, tmp_path / "out")
    bench.train([comparison.cell("r2r-poisson_30")])  # alone, so that nothing else tells what it is scored on
    rows = bench.score(repeats=1).results["poisson 30"].rows
    noisy = n2n_tf.evaluate(
        bench.directory(comparison.cell("r2r-poisson_30")).path,
        tmp_path / "tests",
        n2n_tf.noise.Poisson(30.0),
        repeats=1,
    )
    assert {row[1] for row in rows} == {"noisy", "R2R"}
    expected = noisy.summary("noisy")["tests"]["psnr"]
    assert np.mean([row[-2] for row in rows if row[1] == "noisy"]) == pytest.approx(expected, abs=1e-6)


def test_a_run_of_other_settings_is_not_compared(table, tmp_path, capsys):
    command = ["compare", str(table), "--output", str(tmp_path / "out"), "--only", "ours_gamma_0-gaussian_25"]
    assert main([*command, "--clip-gradients", "0"]) == 0
    place = tmp_path / "out/cells/ours_gamma_0-gaussian_25/config.json"
    saved = json.loads(place.read_text())
    del saved["config"]["clip_gradients"]
    place.write_text(json.dumps(saved))  # as versions wrote it that did not clip
    assert main(command) == 0
    assert main([*command, "--steps-per-epoch", "7"]) == 2
    assert (
        "ours_gamma_0-gaussian_25: --steps-per-epoch: the run has 2; it keeps its settings" in capsys.readouterr().err
    )


def test_a_run_that_fails_keeps_none_from_its_turn(table, tmp_path, capsys, monkeypatch):
    trained = []

    def fail_first(config, path, go_on):
        trained.append(path.name)
        if len(trained) == 1:
            raise RunError("it diverged")

    monkeypatch.setattr("n2n_tf.tasks.compare.train", fail_first)
    monkeypatch.setattr(Bench, "score", lambda self, repeats, closed: Scores(self.comparison))
    assert main(["compare", str(table), "--output", str(tmp_path / "out")]) == 1
    assert "1 failed:\nours_gamma_0-gaussian_25: it diverged" in capsys.readouterr().err
    assert trained == ["ours_gamma_0-gaussian_25", "r2r-gaussian_25", "ours_gamma_0-poisson_30"]


def test_equal_time_gives_cheaper_methods_more_steps(table, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    costs = {"ours_gamma_0-gaussian_25": 0.1, "ours_gamma_0-poisson_30": 0.2, "r2r-gaussian_25": 0.05}
    monkeypatch.setattr("n2n_tf.tasks.compare_costs.seconds_per_step", lambda configs: costs)
    monkeypatch.setattr("n2n_tf.tasks.compare_costs.seconds_per_megapixel", lambda denoiser: 36.0)
    bench = Bench(read_comparison(table, {"epochs": 2, "steps_per_epoch": 100}, {}, "time"), out)
    runs = {cell.name: bench.config(cell).run for cell in bench.comparison.cells if not cell.missing}
    steps = {name: run.epochs * run.steps_per_epoch for name, run in runs.items()}
    assert steps == {"ours_gamma_0-gaussian_25": 200, "ours_gamma_0-poisson_30": 200, "r2r-gaussian_25": 400}
    rows = bench.plan(repeats=50)  # of 2 images of 64×64: 0.4096 megapixels, 36 s each
    assert ("r2r-gaussian_25", "400", "0.050", "0.01", "0.00") in rows
    assert rows[-1] == ("all that is left", "", "", f"{(20 + 20 + 20) / 3600:.2f}", "0.01")


def test_a_run_of_equal_time_keeps_its_steps_when_they_are_timed_again(table, tmp_path, monkeypatch, capsys):
    """As for another version's settings, or a table with a row more."""
    costs = {"ours_gamma_0-gaussian_25": 0.2, "ours_gamma_0-poisson_30": 0.2, "r2r-gaussian_25": 0.1}
    monkeypatch.setattr("n2n_tf.tasks.compare_costs.seconds_per_step", lambda configs: costs)
    monkeypatch.setattr("n2n_tf.tasks.compare_costs.seconds_per_megapixel", lambda denoiser: 36.0)
    command = ["compare", str(table), "--output", str(tmp_path / "out"), "--equal", "time"]
    assert main([*command, "--plan"]) == 0
    assert main([*command, "--only", "r2r-gaussian_25"]) == 0
    (tmp_path / "out/costs.json").unlink()
    costs["r2r-gaussian_25"] = 0.05
    monkeypatch.setattr("n2n_tf.tasks.compare_sets.REPEATS", {})
    assert main([*command, "--score"]) == 0
    assert main([*command, "--features", "3", "--score"]) == 2
    assert "r2r-gaussian_25: --features: the run has 2; it keeps its settings" in capsys.readouterr().err


def test_costs_are_measured_once_for_runs_that_differ_in_noise_or_images_alone(table, tmp_path, monkeypatch):
    measured = []

    def seconds(configs):
        measured.append(list(configs))
        return seconds_per_step(configs)

    monkeypatch.setattr("n2n_tf.tasks.compare_costs.seconds_per_step", seconds)
    for data in ({}, {"data": ("elsewhere",), "noise_once": True}, {"epochs": 7}, {"clip_gradients": 0.0}):
        bench = Bench(read_comparison(table, data, {}), tmp_path / "out")
        costs = bench.costs
        assert set(costs) == {"ours_gamma_0-gaussian_25", "ours_gamma_0-poisson_30", "r2r-gaussian_25"}
        assert costs["ours_gamma_0-gaussian_25"] == costs["ours_gamma_0-poisson_30"]
        assert all(0 < cost < 60 for cost in (*costs.values(), *bench.scoring.values()))
    assert measured == [["ours_gamma_0-gaussian_25", "r2r-gaussian_25"]]
    assert json.loads((tmp_path / "out/costs.json").read_text())["seconds"] == costs


@pytest.mark.parametrize("number", [1, 2])
def test_a_plan_of_the_papers_tables_from_an_empty_folder(number, tmp_path, monkeypatch, capsys):
    """Every row that can be run has its cost, and what is lacking is said; nothing but the costs is written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("n2n_tf.tasks.compare_costs.seconds_per_step", lambda configs: dict.fromkeys(configs, 0.9))
    monkeypatch.setattr("n2n_tf.tasks.compare_costs.seconds_per_megapixel", lambda denoiser: 1.0)
    monkeypatch.setattr("n2n_tf.tasks.baseline_costs.seconds_a_megapixel", lambda *_: 12.0)
    table = CONFIGS / f"table{number}.toml"
    assert main(["compare", str(table), "--plan"]) == 0
    said, cells = capsys.readouterr().out, read_comparison(table, {}, {}).cells
    lines = {words[1]: words for line in said.splitlines() if len(words := line.split()) > 2}
    for cell in cells:
        if cell.missing:
            assert cell.missing in said
        elif cell.baseline:
            assert "12 a megapixel" in " ".join(lines[cell.name])
        else:
            assert lines[cell.name][3:8:2] == ["2000", "0.900", "0.50"]
    runs = sum(cell.is_run for cell in cells)
    (total,) = (line.replace("│", " ").split() for line in said.splitlines() if "all that is left" in line)
    assert total == ["all", "that", "is", "left", f"{runs / 2:.2f}"]
    assert f"no --data: say where the training images are ({runs} runs, {cells[0].name} the first)" in said
    wanted = ("say NAME=DIR", "--test SIDD validation: ValidationNoisyBlocksRaw.mat: no such folder or file")
    assert wanted[number - 1] in said
    assert {path.name for path in tmp_path.rglob("*.*")} <= {"costs.json", "baseline_costs.json"}
    assert main(["compare", str(table)]) == 2
    assert "no --data: say where" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("[rows]", "[row]", "'row' is not known.*did you mean 'rows'"),
        ("gamma = 0", "gamma = -1", "`gamma` -1.0: wanted at least 0"),
        ("gamma = 0", 'method = "noise2viod"', "'noise2viod' is not known.*did you mean 'noise2void'"),
        ("gamma = 0", "sigma = 50", "`sigma`: belongs to .noises.*or to a row with a `noise` of its own"),
        ("gamma = 0", 'noise = "camera", sigma = 50', "`sigma` has no effect with `noise` camera"),
        ('"DIP" =', '"!!" =', "wanted a name with letters or digits"),
        ('"DIP" =', '"noisy" =', "wanted a name .* other than 'noisy'"),
        ('"R2R" = { method = "recorrupted2recorrupted" }', '"R2R" = 3', "wanted by name"),
        ("[31.77, 0.874]", "3", "wanted two numbers for each test"),
        ('"DIP" = { Kodak', '"PID" = { Kodak', "'PID' is not known; wanted one of DIP"),
        ("gamma = 0", "gama = 0", "Ours, γ = 0, gaussian 25: setting: 'gama' is not known.*did you mean 'gamma'"),
        ("features = 2", "features = ", "is not TOML"),
        ('"DIP" = ', '"r2r" = ', "names of rows or noises that differ in no letter or digit"),
        ("epochs = 1", "epochs = 0", "`epochs` 0: wanted at least 1"),
    ],
)
def test_wrong_tables(table, old, new, text):
    told = table.read_text(encoding="utf-8")
    assert old in told
    table.write_text(told.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=text):
        read_comparison(table, {}, {})


def test_wrong_use_is_one_line(table, tmp_path, capsys):
    command = ["compare", str(table), "--output", str(tmp_path / "out")]
    for arguments, text in (
        (["--only", "ours"], "--only: 'ours' is not known"),
        (["--only", "dip-gaussian_25", "--plan"], "--only with --plan or --score"),
        (["--only", "dip-gaussian_25"], "--only dip-gaussian_25: not built yet"),
        (["--test", "Kodak"], "--test Kodak: wanted NAME=DIR"),
        (["--score"], "nothing is trained yet"),
        (["--test", "Set14=" + str(tmp_path / "nowhere")], "wanted NAME=DIR"),
        (["--gamma", "5"], "--gamma: is told by 'Ours, γ = 0'; leave it out, or change the file"),
        (["--masked", "1"], "--masked: no row has a method that it has an effect on"),
        (["--network", "unit"], "did you mean 'unet'"),
        (["--only", "r2r-gaussian_25", "--equal", "time"], "run --plan first"),
    ):
        assert main([*command, *arguments]) == 2
        assert text in capsys.readouterr().err
