"""Files of a run, and TOML files, that are damaged: one line that names the file."""

import csv
import json

import keras
import pytest

from n2n_tf.cli.main import main
from n2n_tf.config import RunError
from n2n_tf.data.images import find_images
from n2n_tf.exporting.card import run_facts
from n2n_tf.training.checkpoints import Checkpoints
from n2n_tf.training.records import read_report
from n2n_tf.training.rundir import RunDirectory
from tests.runs import small

pytestmark = pytest.mark.usefixtures("two_layers")

GARBAGE = [
    b"", b"[]", b"null", b"7", b'"text"', b"{}", b"{", b"\xff\xfe\x00", b"\0" * 100, b"[" * 99999, b'{"a":' * 99999,
    b"1" * 5000, b"\xef\xbb\xbf{}", '{"config": "\u00e9"}'.encode("latin-1"), '{"config": {}}'.encode("utf-16"),
]  # fmt: skip
WRONG = [None, 7, "text", [], {}, 1e999, 10**400, [[None]]]


@pytest.fixture
def begun(photos, tmp_path):
    """A run without a step."""
    config, directory = small(photos), RunDirectory(tmp_path / "run")
    images = find_images([str(photos)], 3)
    directory.create(config, images, images, {"keras": keras.__version__})
    return directory


@pytest.fixture
def fails(begun, capsys):
    """Resume, and check what is said."""

    def resume(path, *args):
        capsys.readouterr()
        assert main(["train", "--resume", "--output", str(begun.path), *args]) == 1
        said = capsys.readouterr().err.splitlines()
        assert [line for line in said if "error:" in line] == said[-1:]
        assert said[-1].startswith(f"n2n-tf train: error: {path}: is damaged: ")
        assert len(said[-1]) < 1000

    return resume


@pytest.mark.parametrize("name", ["config", "images"])
def test_garbage_in_the_place_of_a_run(name, begun, fails):
    path = getattr(begun, name)
    whole = path.read_bytes()
    for content in [*GARBAGE, whole[: len(whole) // 2], whole[:-3]]:
        path.write_bytes(content)
        fails(path)


def test_a_run_of_a_later_version_is_refused(begun, capsys):
    saved = json.loads(begun.config.read_text())
    assert saved.pop("format") == 1
    begun.config.write_text(json.dumps(saved))  # as earlier versions wrote it
    before = begun.settings()
    begun.config.write_text(json.dumps({"format": 1, **saved}))
    assert begun.settings() == before
    assert run_facts(begun.path)["trained_with"] == saved["environment"]
    begun.config.write_text(json.dumps({"format": 2, **saved}))
    assert main(["train", "--resume", "--output", str(begun.path)]) == 1
    assert f"{begun.config}: has format 2, of a later version of n2n_tf; " in capsys.readouterr().err
    with pytest.raises(RunError, match="reads up to 1: update it"):
        run_facts(begun.path)


def changed(path, keys, change):
    """Write a JSON file with another value at a place; `change` gets what holds it, and its key."""
    saved = inner = json.loads(path.read_text())
    for key in keys[:-1]:
        inner = inner[key]
    change(inner, keys[-1])
    path.write_text(json.dumps(saved))


@pytest.mark.parametrize(
    ("name", "keys", "values"),
    [
        ("config", ["format"], [None, "1", [], {}, 1e999, 0, -1, 1.0, True]),
        ("config", ["config"], WRONG),
        ("config", ["environment"], [*WRONG[:4], WRONG[-1]]),
        ("config", ["environment", "keras"], [None, 7, [], {}]),
        ("config", ["config", "seed"], [None, "text", [], {}, 1e999, 10**400, -1, 1.5, True]),
        ("config", ["config", "gamma"], [None, "text", [], 1e999, 10**400, -(10**400), float("nan"), True]),
        ("config", ["config", "data"], [7, [None], [[]], {}]),
        ("config", ["config", "unknown"], WRONG),
        *(
            ("config", ["config", name], ["unnet", []])
            for name in ("network", "method", "noise", "optimizer", "gamma_schedule", "learning_rate_schedule")
        ),
        ("images", ["training"], WRONG),
        ("images", ["held_out"], WRONG),
        ("images", ["training", "pages"], WRONG),
        ("images", ["held_out", "skipped"], [None, 7, "text", [], {"a": 1}]),
        ("images", ["training", "pages", 3], [*WRONG, ["a.png", 0, 9, 9, 3], ["a\0.png", 0, 9, 9, 3, False]]),
        ("images", ["training", "pages", 3, 0], [None, 7, [], {}]),
        ("images", ["training", "pages", 3, 2], [None, 1e999, -1, 0, "9", True]),
        ("images", ["held_out"], [{"held_out_of": {"held_out_of": {}}}, {"held_out_of": 7}, {"counts": {}}]),
    ],
)
def test_wrong_values_deep_inside(name, keys, values, begun, fails):
    path = getattr(begun, name)
    whole = path.read_text()
    for wrong in values:
        path.write_text(whole)
        changed(path, keys, lambda holder, key, wrong=wrong: holder.__setitem__(key, wrong))
        fails(path)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("config", ["config"]), ("config", ["environment"]), ("config", ["environment", "keras"]),
        ("images", ["training"]), ("images", ["held_out", "pages"]), ("images", ["held_out", "skipped"]),
        ("images", ["training", "pages", 3, 5]),
    ],
)  # fmt: skip
def test_keys_that_are_missing(name, keys, begun, fails):
    changed(getattr(begun, name), keys, lambda holder, key: holder.__delitem__(key))
    fails(getattr(begun, name))


REPORT = {
    "scores": {"psnr": 30.5, "noisy_psnr": 20.25}, "scored_images": "held-out", "picture": "a.png",
    "denoiser": __file__,
}  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        *GARBAGE,
        *(json.dumps(REPORT).encode()[:-cut] for cut in (1, 50)),
        *({**REPORT, name: value} for name in REPORT for value in (None, 7, [], {})),
        *({**REPORT, "scores": {**REPORT["scores"], "psnr": value}} for value in (None, "30", [], True)),
        *({**REPORT, "scores": {name: value}} for name, value in (("psnr", 1.5), ("reconstruction", "0"))),
    ],
    ids=lambda content: str(content)[:20],
)
def test_garbage_in_the_place_of_a_report(content, tmp_path):
    path = tmp_path / "report.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(RunError, match=f"^{path}: is damaged: .{{,900}}$"):
        read_report(path)


def test_the_report_of_several_workers_is_read_with_care(begun, fails, monkeypatch, capsys):
    """When the run has ended the chief reads it, and waits for nobody."""
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    begun.report.write_text(json.dumps(REPORT)[:-1])
    fails(begun.report)
    begun.report.write_text(json.dumps(REPORT))
    assert main(["train", "--resume", "--output", str(begun.path)]) == 0
    assert "held-out images: noisy 20.25 dB, denoised 30.50 dB" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        b"epoch,loss\nmany,1\n", b"loss\n1\n", b"\n\n", b"\xff\xfe", b"epoch,loss\n0,\0\n\0,1\n", b"\0" * 100,
        b'epoch,loss\n0,"' + b"x" * 200_000, b"epoch,loss\n" + b"1" * 5000 + b",1\n",
        b'epoch,loss\n0,1\n1,"2\n',
    ],
)  # fmt: skip
def test_garbage_in_the_place_of_a_history(content, begun, fails):
    begun.history.write_bytes(content)
    fails(begun.history)


def test_checkpoints_that_are_none(tmp_path):
    for name in ("step-2 (copy)", "step-", "step--1", "step-1.5"):
        (tmp_path / f"{name}.index").touch()
    assert Checkpoints(tmp_path, 1, 1).restore() == 0
    (tmp_path / "step-2.index").touch()
    with pytest.raises(RunError, match=f"no checkpoint in {tmp_path} can be read"):
        Checkpoints(tmp_path, 1, 1).restore()
    (tmp_path / "checkpoint").write_bytes(b"\xff\xfe\0")
    with pytest.raises(RunError, match=f"^{tmp_path}/checkpoint: is damaged: "):
        Checkpoints(tmp_path, 1, 1)


def test_rows_of_a_history_cut_short_are_dropped(begun):
    begun.history.write_bytes(b"epoch,loss\n0,0.5\n1,0.4\n2,0.3\n3")
    begun.forget_from(2)
    with begun.history.open(newline="") as file:
        assert list(csv.reader(file)) == [["epoch", "loss"], ["0", "0.5"], ["1", "0.4"]]
    begun.history.write_bytes(b"")
    begun.forget_from(2)
    assert begun.history.read_bytes() == b""


@pytest.mark.parametrize(
    "content",
    [
        b"[", b"[]", b"null", b"7", b"\xff\xfe", b"\0" * 100, b"sigma = " + b"[" * 99999, b"seed = " + b"1" * 5000,
        b"seed = 'x'", b"seed = 1" + b"0" * 400, b"gamma = 1" + b"0" * 400, b"gamma = nan", b"preset = []",
        b"preset = 'none'", b"data = 7", b"data = [[]]", b"epochs = 1979-05-27", b"[sigma]\na = 1", b"unknown = 1",
        b"sigma = [50, 5]", b"patch_size = 65", b"channels = []", b"noise = {}",
        "data = '\u00e9'".encode("latin-1"), "seed = 1".encode("utf-16"), b"seed = 1\nseed = 1",
        b"network = 'unnet'", b"optimizer = 'adm'",
        b"sigma = " + b"[" * 90 + b"]" * 90,
    ],
)  # fmt: skip
def test_garbage_in_the_place_of_a_toml_file(content, tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    assert main(["train", "--config", str(path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"--config {path}: " in said[0]
    assert len(said[0]) < 1000
