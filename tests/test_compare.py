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


@pytest.mark.parametrize(("number", "rows", "told"), [(1, 15, 4), (2, 12, 1), (3, 4, 4), (4, 3, 4)])
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


def test_a_run_of_other_settings_is_not_compared(table, tmp_path, capsys):
    command = ["compare", str(table), "--output", str(tmp_path / "out"), "--only", "ours_gamma_0-gaussian_25"]
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
    monkeypatch.setattr(Bench, "score", lambda self, repeats: Scores(self.comparison))
    assert main(["compare", str(table), "--output", str(tmp_path / "out")]) == 1
    assert "1 runs failed:\nours_gamma_0-gaussian_25: it diverged" in capsys.readouterr().err
    assert trained == ["ours_gamma_0-gaussian_25", "r2r-gaussian_25", "ours_gamma_0-poisson_30"]


def test_equal_time_gives_cheaper_methods_more_steps(table, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    costs = {"ours_gamma_0-gaussian_25": 0.1, "ours_gamma_0-poisson_30": 0.2, "r2r-gaussian_25": 0.05}
    monkeypatch.setattr("n2n_tf.tasks.compare.seconds_per_step", lambda configs: costs)
    bench = Bench(read_comparison(table, {"epochs": 2, "steps_per_epoch": 100}, {}, "time"), out)
    runs = {cell.name: bench._config(cell).run for cell in bench.comparison.cells if not cell.missing}
    steps = {name: run.epochs * run.steps_per_epoch for name, run in runs.items()}
    assert steps == {"ours_gamma_0-gaussian_25": 200, "ours_gamma_0-poisson_30": 200, "r2r-gaussian_25": 400}
    assert ("r2r-gaussian_25", "400", "0.050", "0.01") in bench.plan()


def test_costs_are_measured_for_every_cell(table, tmp_path):
    bench = Bench(read_comparison(table, {}, {}), tmp_path / "out")
    assert len(bench.costs) == 3
    assert all(0 < cost < 60 for cost in bench.costs.values())
    assert json.loads((tmp_path / "out/costs.json").read_text())["seconds"] == bench.costs


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("[rows]", "[row]", "'row' is not known.*did you mean 'rows'"),
        ("gamma = 0", "gamma = -1", "`gamma` -1.0: wanted at least 0"),
        ("gamma = 0", 'method = "noise2viod"', "'noise2viod' is not known.*did you mean 'noise2void'"),
        ("gamma = 0", "sigma = 50", "`sigma`: belongs to .noises."),
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
