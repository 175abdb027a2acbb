"""report.html: of a run, of one that was stopped, of an evaluation and a comparison."""

import json
import shlex

import numpy as np
import pytest
from PIL import Image

import n2n_tf
from n2n_tf import html
from n2n_tf.cli.main import main
from n2n_tf.training.config import config_from
from n2n_tf.training.page import command
from n2n_tf.training.presets import build_config, unlike_defaults
from n2n_tf.training.rundir import RunDirectory
from n2n_tf.training.validation import Validation
from tests.conftest import identity
from tests.runs import flags, small

pytestmark = pytest.mark.usefixtures("two_layers")


@pytest.fixture
def opened(browser):
    """A page from disk, once nothing in it failed or came from elsewhere."""

    def get(path):
        browser.get_log("browser")
        browser.get(path.as_uri())
        loaded = browser.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)")
        assert all(name.startswith("data:") for name in loaded)
        images = browser.find_elements("css selector", "img")
        assert all(browser.execute_script("return arguments[0].naturalWidth", each) for each in images)
        assert browser.get_log("browser") == []
        return browser

    return get


def text(page):
    return page.find_element("css selector", "body").text


def test_a_run_is_shown(photos, tmp_path, opened):
    odd = tmp_path / "<script>alert(1)</script>"
    report = n2n_tf.train(small(photos, sigma=[20.0], flips=False), odd)
    page = opened(odd / "report.html")
    assert (odd / "report.html").stat().st_size < 2e6
    assert f"denoised {report['scores']['psnr']:.2f} dB" in page.find_element("css selector", ".verdict").text
    assert page.find_element("css selector", "h1").text == f"Run {odd.name}"
    curves = [each.get_attribute("textContent") for each in page.find_elements("css selector", "svg title")]
    assert curves[:3] == ["val_psnr", "loss", "psnr"]
    assert len(page.find_elements("css selector", ".slider")) == 2  # noisy and denoised, denoised and clean
    assert "--sigma 20.0" in text(page)
    assert "--no-flips" in text(page)


def test_the_slider_moves_by_keys(photos, tmp_path, opened):
    """Left of it is the first picture, right of it the second."""
    black, white = (Image.new("RGB", (700, 80), color) for color in ("black", "white"))
    path = html.write_page(tmp_path / "a.html", html.page("a", [html.slider(black, white, ("one", "two"))]))
    page = opened(path)
    slider = page.find_element("css selector", "input")
    assert slider.get_attribute("aria-valuetext") == "50 % one, 50 % two"
    slider.send_keys("\ue014" * 30)  # →
    assert slider.get_attribute("aria-valuetext") == "80 % one, 20 % two"
    figure = page.find_element("css selector", ".slider > div")
    figure.screenshot(str(tmp_path / "a.png"))
    row = np.asarray(Image.open(tmp_path / "a.png").convert("L"))[20]
    assert abs((row < 128).mean() - 0.8) < 0.02
    assert "the middle of 700×80 pixels" in text(page)


def test_one_that_was_stopped_goes_on_and_is_shown_again(photos, tmp_path, monkeypatch, capsys):
    """An earlier version wrote no page: `report` does."""
    out = RunDirectory(tmp_path / "run")

    def stop(self, epoch, logs=None):
        end(self, epoch, logs)
        if epoch == 1:
            raise KeyboardInterrupt

    end = Validation.on_epoch_end
    monkeypatch.setattr(Validation, "on_epoch_end", stop)
    assert main(["train", *flags(photos, epochs=3), "--output", str(out.path)]) == 130
    assert "Not at its end: 1 of 3 epochs." in out.page.read_text()
    monkeypatch.undo()
    assert main(["train", "--resume", "--output", str(out.path)]) == 0
    assert f"report: {out.page}" in capsys.readouterr().out
    whole = out.page.read_text()
    assert "Not at its end" not in whole
    out.page.unlink()
    assert main(["report", str(out.path)]) == 0
    assert out.page.read_text() == whole
    out.history.unlink()
    assert main(["report", str(out.path)]) == 0
    assert "<svg" not in out.page.read_text()


def test_what_is_no_run(photos, tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert f"{tmp_path}: holds no run, which has a config.json" in capsys.readouterr().err
    n2n_tf.train(small(photos, epochs=1), tmp_path / "run")
    before = (tmp_path / "run/report.html").read_text()
    picture = tmp_path / "run/samples/before_after.png"
    whole = picture.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"text"):
        picture.write_bytes(content)
        assert main(["report", str(tmp_path / "run")]) == 1
        assert f"{picture}: is damaged: " in capsys.readouterr().err
    picture.write_bytes(whole)
    (tmp_path / "run/report.json").write_text('{"scores": {}}')
    assert main(["report", str(tmp_path / "run")]) == 1
    assert "report.json: is damaged" in capsys.readouterr().err
    assert (tmp_path / "run/report.html").read_text() == before


@pytest.mark.parametrize(
    "settings",
    [
        {"noise": "gaussian", "sigma": [5.0, 50.0], "data": ["a b", "c"]},
        {"noise": "none", "data": ["x"], "flips": False, "range": ["auto"], "gamma_schedule": "constant", "gamma": 1.0},
        {"noise": "poisson", "method": "laine19", "learning_rate_schedule": "halve", "learning_rate": 1e-5},
        {"noise": "none", "data": ["x"], "method": "recorrupted2recorrupted", "known_sigma": 7.0, "ema": 0.999},
        {"noise": "none", "data": ["x"], "channels": 4, "kind": "mosaic", "sampler": "fixed"},
    ],
)
def test_the_command_repeats_the_run(settings, monkeypatch):
    """By the flags' own parser."""
    config = config_from(settings)
    given = []
    monkeypatch.setattr("n2n_tf.cli.train.build_config", lambda flags, *_: given.append(build_config(flags)))
    monkeypatch.setattr("n2n_tf.training.begin.resume", lambda *_: {})
    assert main([*shlex.split(command(unlike_defaults(config.flat, config.own)))[1:], "--output", "nowhere"]) == 0
    assert given == [config]


def test_an_evaluation_is_shown(photos, tmp_path, opened):
    identity(3).save(tmp_path / "a <b>.keras")
    out = tmp_path / "out"
    line = [
        "evaluate",
        str(tmp_path / "a <b>.keras"),
        "--data",
        str(photos),
        "--noise",
        "gaussian",
        "--output",
        str(out),
    ]
    assert main(line) == 0
    page = opened(out / "report.html")
    assert page.find_element("css selector", "h1").text == "Evaluation, gaussian 25"
    psnr = json.loads((out / "a <b>.json").read_text())["sets"]["photos"]["psnr"]
    assert f"{psnr:.2f}" in page.find_element("css selector", "table").text
    assert shlex.join(["n2n-tf", *line]) in text(page)
    assert len(page.find_elements("css selector", ".slider")) == 2  # noisy and denoised, denoised and clean
    assert main(line) == 2
