"""What all settings share: their errors, their fields, their tables."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, TypeVar

T = TypeVar("T")


class UsageError(ValueError):
    """Settings that cannot be right; the text says what came, what was wanted and what to do."""


class RunError(RuntimeError):
    """A run that cannot go on through no fault of its settings."""


class LostWorkerError(RunError):
    """Another worker has gone; all of them can be started again."""


class StoppedError(RuntimeError):
    """A run that was asked to stop and has saved its state."""


def setting(default: Any, text: str, choices: Iterable[str] = (), metavar: str | None = None) -> Any:
    """A dataclass field that carries what its command line flag needs."""
    return field(default=default, metadata={"help": text, "choices": tuple(choices), "metavar": metavar})


def flag(name: str) -> str:
    """The command line flag of a field."""
    return "--" + name.replace("_", "-")


def lookup(table: Mapping[str, T], name: str, what: str) -> T:
    """`table[name]`, or an error that lists the table and the nearest name."""
    if name in table:
        return table[name]
    near = difflib.get_close_matches(str(name), table, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"{what}: {name!r} is not known; wanted one of {', '.join(sorted(table))}{hint}")


def gist(error: Exception) -> str:
    """Another library's error in one line."""
    return f"{type(error).__name__}: {essence(str(error))}"


def essence(message: str) -> str:
    """The line of a message that says what happened, without where in TensorFlow's graph it did."""
    where = ("Graph execution error", "Detected at", "{{node", "<", "(", " ", "\t")
    lines = [re.sub(r"^\{\{function_node.*?\}\} | \[Op:\w+\]$", "", line) for line in message.strip().splitlines()]
    return next((line for line in lines if line and not line.startswith(where)), message)
