"""What goes into the archives, and what a package index shows."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest
import yaml

import n2n_tf
from n2n_tf.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")


def test_the_page_of_a_package_index_leads_nowhere_that_is_not_there():
    name = SETUP["metadata"]["long_description"].removeprefix("file: ")
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.findall(r"\]\((?!https://)", text)
    commands = re.findall(r"^n2n-tf (\S+)", text, re.MULTILINE)
    assert commands
    assert set(commands) <= set(COMMANDS)
    for program in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        compile(program, name, "exec")


def test_the_source_archive_has_what_the_repository_has():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git checkout: an archive")
    lines = (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines()
    grafted = {line.split()[1] for line in lines if line.startswith("graft ")}
    included = [pattern for line in lines if line.startswith("include ") for pattern in line.split()[1:]]
    by_setuptools = {"LICENSE", "MANIFEST.in", "pyproject.toml", "setup.cfg"}
    for path in map(Path, listed.stdout.splitlines()):
        if len(path.parts) > 1:
            assert path.parts[0] in grafted | {"n2n_tf"}, path
        else:
            assert str(path) in by_setuptools or any(path.match(pattern) for pattern in included), path


def test_the_package_has_its_files():
    folder = Path(n2n_tf.__file__).parent
    for pattern in SETUP["options.package_data"]["n2n_tf"].split(", "):
        assert list(folder.glob(pattern)), pattern
    kinds = {path.suffix for path in folder.rglob("*") if path.is_file()} - {".pyc"}
    assert kinds == {".py", ".typed", ".html", ".h5", ".md", ".yaml"}  # all of which the patterns, or find:, take


def test_what_is_said_of_versions_agrees():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == n2n_tf.__version__
    newest = re.findall(r"^## (\S+) \((.+)\)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[0]
    assert newest[0] == n2n_tf.__version__
    assert re.fullmatch(r"unreleased|\d{4}-\d\d-\d\d", newest[1])
    assert cited["license"] == SETUP["metadata"]["license"]
    least, before = map(int, re.findall(r"3\.(\d+)", SETUP["options"]["python_requires"]))
    told = re.findall(r"Python :: 3\.(\d+)", SETUP["metadata"]["classifiers"])
    assert list(map(int, told)) == [*range(least, before)]
