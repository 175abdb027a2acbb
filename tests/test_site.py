"""README, pages and tutorials: links lead somewhere, commands parse, each page is in the site's navigation."""

import argparse
import re
import shlex

import pytest

from n2n_tf.cli.main import COMMANDS
from tests.runs import ROOT

PAGES = sorted((ROOT / "docs").rglob("*.md"))
LINKED = [ROOT / "README.md", *PAGES, ROOT / "serving" / "README.md"]
COMMANDED = [ROOT / "README.md", *sorted((ROOT / "docs" / "tutorials").glob("*.md"))]
SCRIPTS = {"train.py": "train", "export.py": "export"}
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def named(path):
    return str(path.relative_to(ROOT))


def anchors(path):
    """As the repository's pages and the site make them of headings."""
    for heading in re.findall(r"^#{1,6} (.+)$", FENCED.sub("", path.read_text(encoding="utf-8")), re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        yield re.sub(r"[^\w\- ]", "", shown).strip().replace(" ", "-")


def dead_links(path, text):
    """Relative ones whose file, or whose heading, is not there."""
    for link in LINK.findall(FENCED.sub("", text)):
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        if not re.match("[a-z]+:", link) and not (target.exists() and (not anchor or anchor in anchors(target))):
            yield link


def commands(text):
    """Those of n2n-tf, train.py and export.py in the sh blocks, as words."""
    for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True) if re.match(r"(n2n-tf|python) ", line) else []
            if words[:1] == ["n2n-tf"]:
                yield words[1:]
            elif words and words[1] in SCRIPTS:
                yield [SCRIPTS[words[1]], *words[2:]]


def parses(words):
    """As in `main`, but nothing runs: SystemExit where a value does not fit, False where a flag is not known."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    COMMANDS[words[0]].add_arguments(parser)
    more = parser.parse_known_args(words[1:])[1]
    return not more or (hasattr(COMMANDS[words[0]], "MORE") and not any(each.startswith("-") for each in more))


def test_readme_is_short():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    assert max(len(line) for line in lines) <= 180


@pytest.mark.parametrize("path", LINKED, ids=named)
def test_links(path):
    assert list(dead_links(path, path.read_text(encoding="utf-8"))) == []


def test_dead_links_are_found():
    text = "[a](nowhere.md) [b](docs/raw.md#nowhere) [c](docs/raw.md#camera-raw) [d](https://nowhere) [e](#here)"
    assert list(dead_links(ROOT / "README.md", text)) == ["nowhere.md", "docs/raw.md#nowhere", "#here"]


@pytest.mark.parametrize("path", COMMANDED, ids=named)
def test_commands_parse(path):
    found = list(commands(path.read_text(encoding="utf-8")))
    assert found
    assert [words for words in found if not parses(words)] == []


@pytest.mark.parametrize("line", ["python train.py --dta x", "n2n-tf denoise a.png --outptu x"])
def test_a_misspelt_flag_is_found(line):
    [words] = commands(f"```sh\n{line}  # as a page has it\n```\n")
    assert not parses(words)


def test_each_page_is_in_the_navigation():
    yaml = pytest.importorskip("yaml")
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    [entries] = yaml.safe_load(text[text.index("\nnav:") :]).values()

    def pages(entries):
        for entry in entries:
            for below in entry.values():
                yield from [below] if isinstance(below, str) else pages(below)

    assert {str(path.relative_to(ROOT / "docs")) for path in PAGES} <= set(pages(entries))
