"""Tables on the screen."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

FILE = 10_000  # columns of what is no terminal: nothing is wrapped


def print_table(rows: Sequence[Sequence[str]], title: str = "") -> None:
    """The first row is the head. Names that are too long for a terminal go on in a next line: nothing is cut off."""
    table = Table(title=escape(title) or None)
    for name in rows[0]:
        table.add_column(escape(name), overflow="fold")
    for row in rows[1:]:
        table.add_row(*map(escape, row))
    Console(width=None if sys.stdout.isatty() else FILE).print(table)
