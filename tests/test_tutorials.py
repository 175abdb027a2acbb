"""Each page of docs/tutorials: its commands run in their order, beside files such as it tells of; the promised come.

The text of a page is what runs, but for what makes it short: `SHORTER` is added to commands (few steps, a small
network), the weights of the package are small ones except on the first page, a table has a few rows only, the server's
ports are free ones. `BY_SMOKE` is left to `make smoke`.
"""

import contextlib
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from unittest.mock import patch

import imagecodecs
import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

from n2n_tf.cli.main import main
from n2n_tf.inference import save_denoiser
from n2n_tf.networks import NETWORKS
from n2n_tf.tasks.adapting import RECIPE
from n2n_tf.tasks.comparison_file import read_tables
from n2n_tf.weights import SHIPPED
from tests.runs import ROOT, two_layers
from tests.test_raw import write_dng

pytestmark = pytest.mark.usefixtures("two_layers")
PAGES = ROOT / "docs" / "tutorials"
BLOCK = re.compile(r"^```(sh|python|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BY_SMOKE = ("python3 -m venv .venv && . .venv/bin/activate", "pip install .")
SMALL = "--network two_layers --features 4 --epochs 1 --steps-per-epoch 2"
# a command, a flag that it has, and what is added to it
SHORTER = {
    ("train", "--data"): SMALL,
    ("train", "--config"): "--patch-size 64",
    ("compare", "--plan"): SMALL,
    ("compare", "--output"): SMALL + " --repeats 1",
    ("evaluate", "--data"): "--repeats 1",
    ("denoise", "--adapt"): "--adapt 1",
}
BRIEF = {"patch_size": 64, "batch_size": 2, "steps_per_epoch": 2, "mixed_precision": "off"}  # of --adapt
PORTS = (8501, 8500)  # of REST and gRPC, as the page has them
SECONDS = 60.0  # for the server to begin, and to take a new version


def noisy(image, sigma=25, blur=0.0, seed=0):
    """uint8, under Gaussian noise, which `blur` spreads over neighbours."""
    noise = np.random.default_rng(seed).normal(size=image.shape) * sigma
    if blur:
        noise = gaussian_filter(noise, (blur, blur, 0)) * 2 * blur * np.sqrt(np.pi)
    return np.uint8((image + noise).clip(0, 255).round())


def photographs(folder, number, name="{}.png", height=128, width=160, **noise):
    """Crops of a cup of coffee."""
    folder.mkdir(parents=True)
    for each in range(number):
        crop = skimage.data.coffee()[60 * each : 60 * each + height, 100 : 100 + width]
        Image.fromarray(noisy(crop, seed=each, **noise) if noise else crop).save(folder / name.format(each), quality=95)


def counts(seed, planes=()):
    """uint16 [*planes, 128, 160], as photons come: coins."""
    clean = np.broadcast_to(skimage.data.coins()[:128, :160] / 255, (*planes, 128, 160))
    return np.uint16(np.random.default_rng(seed).poisson(clean * 30) * 30 + 100)


def trained(folder):
    """A run directory, of very little training."""
    command = ["train", "--noise", "gaussian", "--sigma", "25", "--output", str(folder), *shlex.split(SMALL)]
    assert main([*command, "--data", str(folder.parents[1] / "clean")]) == 0


def for_first_picture(folder):
    Image.fromarray(noisy(skimage.data.chelsea()[60:188, 100:260])).save(folder / "photo.png")


def for_adapt(folder):
    tifffile.imwrite(folder / "cells.tif", counts(0))
    for name in ("new_stacks", "more_cells"):
        (folder / name).mkdir()
        for number in range(2):
            tifffile.imwrite(folder / name / f"{number}.tif", counts(number, (2,)), photometric="minisblack")
    (folder / "runs" / "stacks").mkdir(parents=True)
    save_denoiser(two_layers(1), folder / "runs" / "stacks" / "denoiser.keras")


def for_microscopy(folder):
    for name in ("stacks", "channels", "shots", "means"):
        (folder / name).mkdir()
    for number in range(2):
        tifffile.imwrite(folder / "stacks" / f"{number}.tif", counts(number, (3,)), photometric="minisblack")
        tifffile.imwrite(folder / "shots" / f"{number}.tif", counts(number))
        mean = np.mean([counts(10 * number + each) for each in range(8)], 0)
        tifffile.imwrite(folder / "means" / f"{number}.tif", np.uint16(2 * mean + 50))
        told = {"axes": "ZCYX", "Channel": {"Name": ["DAPI", "GFP"]}}
        tifffile.imwrite(folder / "channels" / f"{number}.ome.tif", counts(number, (2, 2)), ome=True, metadata=told)


def for_photographs(folder):
    photographs(folder / "photos", 3, "{}.jpg", 200, 240, sigma=15, blur=0.6)


def for_raw(folder):
    (folder / "raws").mkdir()
    write_dng(folder / "raws" / "chart.dng", size=(288, 320))


def for_table(folder):
    for name in ("bsds400", "kodak", "set14", "bsd300", "images"):
        photographs(folder / name, 2)
    shutil.copytree(ROOT / "configs", folder / "configs")
    table = folder / "configs" / "table_alike.toml"
    text = table.read_text(encoding="utf-8")
    rows = text.index('"N2N"'), text.index('"fix-location"')
    poisson = next(line for line in text.splitlines(True) if line.startswith('"poisson 30"'))
    few = (text[: rows[0]] + text[rows[1] :]).replace(poisson, "").partition('"two targets"')[0]
    table.write_text(few, encoding="utf-8")


def for_serve(folder):
    photographs(folder / "clean", 2)
    for_first_picture(folder)
    (folder / "photo.png").rename(folder / "noisy.png")
    trained(folder / "runs" / "photos")
    shutil.copytree(folder / "runs" / "photos", folder / "runs" / "better")


# by page: what prepares its folder, the files that it promises, and the lines
PROMISED = {
    "first-picture": (
        for_first_picture,
        ["denoised/photo.png", "adapted/photo.png"],
        ["noise        Gaussian, the same at every brightness: σ 2", "denoiser     estimated PSNR", "verdict      "],
    ),
    "adapt": (
        for_adapt,
        ["adapted/cells.tif", "adapted_stacks/0.tif", "adapted.keras", "more_adapted/1.tif",
         "runs/adapted/denoiser.keras"],
        ["noise        grows with brightness, as photons do: variance a·x + s²",
         "adapted: estimated PSNR of the mean error"],
    ),
    "microscopy": (
        for_microscopy,
        ["stacks_report/index.html", "runs/stacks/denoiser.keras", "denoised_stacks/0.tif", "denoised_stacks.csv",
         "denoised_dapi/1.ome.tif"],
        ["noise        grows with brightness", "value range ", "denoised ", "what it removes"],
    ),
    "photographs": (
        for_photographs,
        ["runs/photos/teacher/denoiser.keras", "runs/photos/denoiser.keras", "runs/apart/denoiser.keras",
         "runs/from_blind/denoiser.keras", "denoised_photos/0.jpg", "adapted_photos/2.jpg"],
        ["neighbours   share", "blind: val_"],
    ),
    "raw": (
        for_raw,
        ["runs/raws/denoiser.keras", "denoised_raws/chart.dng", "denoised_raws/chart_rendered.tif",
         "serving/models/raw/1"],
        ["mosaic"],
    ),
    "table": (
        for_table,
        ["alike/table.md", "alike/scores.csv", "alike/pictures.png", "tiny/table.md", "runs/gaussian25/denoiser.keras",
         "scores/*"],
        ["N2C", "Kodak"],
    ),
    "serve": (
        for_serve,
        ["serving/models/n2n/1/model_card.md", "denoised.png", "serving/models/n2n/2/model_card.md"],
        ['"state": "AVAILABLE"'],
    ),
}  # fmt: skip


class Reader:
    """Someone who follows a page, in a folder."""

    def __init__(self, folder, capfd):
        self.folder, self.capfd, self.said = folder, capfd, ""
        self.names, self.replaced, self.server = {}, {"seconds=20": "seconds=1"}, None

    def follow(self, text):
        for kind, block in BLOCK.findall(text):
            for old, new in self.replaced.items():
                block = block.replace(old, new)
            {"sh": self.shell, "python": self.python, "toml": self.toml}[kind](block)
            self.hear()

    def shell(self, block):
        lines = block.replace("\\\n", " ").splitlines()
        if not any(re.match(r"n2n-tf |python (train|export)\.py ", line) for line in lines):
            lines = [line for line in lines if line not in BY_SMOKE]
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", "\n".join(lines)], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            self.said += done.stdout
            return
        for line in lines:
            words = shlex.split(line, comments=True)
            words = words[1:] if words[0] == "n2n-tf" else [words[1].removesuffix(".py"), *words[2:]]
            if words[0] == "serve":
                self.serve(words)
            else:
                assert main(words + shortened(words)) == 0, line

    def serve(self, words):
        """In a process of its own, until the page ends."""
        command = [sys.executable, "-m", "n2n_tf", *words, "--rest-port", "0", "--grpc-port", "0"]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        told = self.server.stdout.readline() + self.server.stdout.readline()
        found = re.match(r"REST http://[^/]+:(\d+)/\S+, gRPC \S+:(\d+)\ntry it in a browser", told)
        assert found, told
        self.replaced |= {
            f"localhost:{port}": f"localhost:{free}" for port, free in zip(PORTS, found.groups(), strict=True)
        }

    def python(self, block):
        exec(compile(block, "page", "exec"), self.names)

    def toml(self, block):
        """Rows of a table's file."""
        table = self.folder / "configs" / "table_alike.toml"
        table.write_text(table.read_text(encoding="utf-8").partition("[rows]")[0] + block, encoding="utf-8")
        assert len(read_tables(table)["rows"]) == len(block.splitlines()) - 1

    def hear(self):
        self.said += "".join(self.capfd.readouterr())


def shortened(words):
    """What is added to a command."""
    return [
        word for (name, has), more in SHORTER.items() if words[0] == name and has in words for word in shlex.split(more)
    ]


@pytest.fixture
def reader(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    reader = Reader(tmp_path, capfd)
    yield reader
    if reader.server:
        reader.server.send_signal(signal.SIGTERM)
        reader.server.wait(SECONDS)


@pytest.fixture
def small_weights(tmp_path_factory, monkeypatch):
    """In place of those that come along, of the one network that is to be found."""
    folder = tmp_path_factory.mktemp("weights")
    for name, channels in (("blind", 3), ("blind_gray", 1)):
        save_denoiser(two_layers(channels), folder / f"{name}.keras")
        monkeypatch.setitem(SHIPPED, name, folder / f"{name}.weights.h5")
    with patch.dict(NETWORKS, {"two_layers": two_layers}, clear=True):  # their order comes back, too: messages have it
        yield


def follow(reader, page):
    prepare, files, lines = PROMISED[page]
    prepare(reader.folder)
    reader.capfd.readouterr()
    reader.follow((PAGES / f"{page}.md").read_text(encoding="utf-8"))
    assert [name for name in files if not list(reader.folder.glob(name))] == []
    assert [line for line in lines if line not in reader.said] == [], reader.said


def test_each_page_is_followed():
    assert {path.stem for path in PAGES.glob("*.md")} == set(PROMISED)


def test_first_picture(reader, monkeypatch):
    """With the weights that come along."""
    for name, value in BRIEF.items():
        monkeypatch.setitem(RECIPE, name, value)
    follow(reader, "first-picture")
    clean = skimage.data.chelsea()[60:188, 100:260] / 255.0
    before, *after = (
        np.mean((np.asarray(Image.open(name)) / 255 - clean) ** 2)
        for name in ("photo.png", "denoised/photo.png", "adapted/photo.png")
    )
    assert max(after) < before / 5


@pytest.mark.parametrize("page", ["adapt", "microscopy", "photographs", "raw", "table"])
def test_page(page, reader, small_weights, monkeypatch):
    for name, value in BRIEF.items():
        monkeypatch.setitem(RECIPE, name, value)
    follow(reader, page)


def test_serve(reader):
    reader.names["noisy"] = noisy(skimage.data.chelsea()[60:188, 100:260])
    follow(reader, "serve")
    assert (
        imagecodecs.png_decode(reader.names["png"]).shape == reader.names["clean"].shape == reader.names["noisy"].shape
    )
    np.testing.assert_array_equal(
        imagecodecs.png_decode((reader.folder / "denoised.png").read_bytes()), reader.names["clean"]
    )
    until = time.monotonic() + SECONDS
    while states(reader) != {"2": "AVAILABLE"}:
        assert time.monotonic() < until, states(reader)
        time.sleep(0.2)


def states(reader):
    """Of the versions that are not gone."""
    with contextlib.closing(
        urllib.request.urlopen(f"http://{reader.replaced['localhost:8501']}/v1/models/n2n")
    ) as answer:
        told = json.load(answer)["model_version_status"]
    return {each["version"]: each["state"] for each in told if each["state"] != "END"}


def test_a_line_that_does_not_come_is_found(reader, monkeypatch):
    monkeypatch.setitem(PROMISED, "serve", (lambda folder: None, ["nowhere.png"], []))
    monkeypatch.setattr(Reader, "follow", lambda *_: None)
    with pytest.raises(AssertionError, match=r"nowhere\.png"):
        follow(reader, "serve")
