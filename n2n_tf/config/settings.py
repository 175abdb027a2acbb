"""What all settings share: their errors, their ranges, their fields, their tables."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

T = TypeVar("T")
RANGES = ("auto", "dtype")  # rules that say which intensities count as 0 and 1
MOST = 2**31 - 1  # that 32 bits hold: of a count, unless it has a bound of its own


class UsageError(ValueError):
    """Settings that cannot be right; the text says what came, what was wanted and what to do."""


class RunError(RuntimeError):
    """A run that cannot go on through no fault of its settings."""


class UnfitNoiseError(RunError):
    """The method cannot work with the noise that the images have."""


class LostWorkerError(RunError):
    """Another worker has gone; all of them can be started again."""


class StoppedError(RuntimeError):
    """A run that was asked to stop and has saved its state."""


@dataclass(frozen=True)
class Range:
    """From `least` to `most`; with `above` and `below` without these two themselves. NaN lies in none."""

    least: float
    most: float
    above: bool = False
    below: bool = False

    def __contains__(self, value: object) -> bool:
        inside = isinstance(value, int | float) and self.least <= value <= self.most
        return inside and not (self.above and value == self.least) and not (self.below and value == self.most)

    def __str__(self) -> str:
        low, high = "above" if self.above else "at least", "below" if self.below else "at most"
        return f"{low} {self.least} and {high} {self.most}"

    def check(self, value: float, what: str) -> None:
        """Raise UsageError if the value, of the setting `what`, lies outside."""
        if value not in self:
            raise UsageError(f"{what} {value}: wanted {self}")


def at_least(least: float, most: float = MOST) -> Range:
    """What counts something."""
    return Range(least, most)


def above(least: float, most: float) -> Range:
    """Without `least` itself."""
    return Range(least, most, above=True)


def setting(
    default: Any,
    text: str,
    choices: Iterable[str] = (),
    metavar: str | None = None,
    within: Range | None = None,
    word: str | None = None,
) -> Any:
    """A dataclass field that carries what its command line flag needs: its choices; or the range of its number or
    numbers, and the word that may stand in their place."""
    metadata = {"help": text, "choices": tuple(choices), "metavar": metavar, "within": within, "word": word}
    return field(default=default, metadata=metadata)


def check_ranges(settings: Any) -> None:
    """Raise UsageError if a number of a settings object lies outside its range, and is not its word."""
    for each in fields(settings):
        within, word, value = each.metadata["within"], each.metadata["word"], getattr(settings, each.name)
        for number in value if isinstance(value, tuple) else (value,):
            if within is not None and number not in within and number != word:
                raise UsageError(f"`{each.name}` {number}: wanted {within}" + (f", or {word}" if word else ""))


def number_or_word(text: str) -> float | str:
    """A number if it can be read as one."""
    try:
        return float(text)
    except ValueError:
        return text


def limits_of(value_range: Sequence[str | float]) -> tuple[float, float] | None:
    """The two numbers of a value range as settings have it; None for one of `RANGES`.

    Raises:
        UsageError: it is neither.
    """
    if len(value_range) == 1 and value_range[0] in RANGES:
        return None
    numbers = [each for each in value_range if isinstance(each, float) and math.isfinite(each)]
    if len(numbers) != len(value_range) or len(numbers) != 2 or not numbers[0] < numbers[1]:
        came = " ".join(str(each) for each in value_range)
        raise UsageError(f"`range` {came}: wanted {' or '.join(RANGES)}, or two numbers in ascending order")
    return numbers[0], numbers[1]


def words(values: Iterable[Any]) -> str:
    """Texts and numbers in one line."""
    return " ".join(value if isinstance(value, str) else f"{value:g}" for value in values)


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
