"""Tables on the screen: nothing in them is cut off."""

import sys

import pytest

from n2n_tf.cli.tables import print_table

NAME = "laine19_pme_level_known-gaussian_25"


@pytest.mark.parametrize(("terminal", "lines"), [(False, 1), (True, 3)])
def test_names_are_whole(terminal, lines, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    print_table([("cell [x]", "hours"), (NAME, "[red]0.25")], "a title [y]")
    said = capsys.readouterr().out
    body = [line.split("│")[1:3] for line in said.splitlines() if line.startswith("│")]
    assert "".join(name.strip() for name, _ in body) == NAME
    assert len(body) == lines
    assert all(text in said for text in ("cell [x]", "[red]0.25", "a title [y]"))
