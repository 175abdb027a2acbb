"""Settings composed of parts: a small dataclass for each thing inside, flat names (flags, TOML, JSON) outside.

A field of a settings class is a value (`setting`), a group of settings (`group`), or a part that is chosen by its name
(`part`), whose own settings come along: those of the parts that are not chosen have no effect.
"""

import functools
import math
import reprlib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, TypeVar

from n2n_tf.config.settings import UsageError, check_ranges, lookup

T = TypeVar("T")
Parts = Mapping[str, Any]  # settings classes by name
_hints = functools.cache(typing.get_type_hints)  # of a class; slow, and asked for again and again


def parts(*classes: Any) -> dict[str, Any]:
    """A table of settings classes that one is chosen from, by their `name`; help says their `about`."""
    return {each.name: each for each in classes}


def group(settings: type) -> Any:
    """A field that holds the settings of one thing."""
    return field(default_factory=settings, metadata={"group": settings})


def part(table: Parts, default: str | None, text: str) -> Any:
    """A field that holds the settings of one part of a table; None where there is no default."""
    chosen = (lambda: None) if default is None else table[default]
    metadata = {"help": text, "choices": (), "metavar": None, "within": None, "word": None, "parts": table}
    return field(default_factory=chosen, metadata={**metadata, "default": default})


@dataclass(frozen=True)
class Named:
    """A setting as flags and files know it.

    Attributes:
        default: shown in help; of several parts that share the name, the first one's.
        hint: the type of a value.
        parts: what a name is looked up in, if it chooses a part.
        chooser, owners: the setting that chooses between parts, and the names of the parts that have this one; empty
            if it always has an effect.
    """

    name: str
    default: Any
    hint: Any
    metadata: Mapping[str, Any]
    chooser: str = ""
    owners: tuple[str, ...] = ()


def named(settings: type) -> dict[str, Named]:
    """All settings below a class, by name, in order."""
    found: dict[str, Named] = {}
    for each in _named(settings, "", ""):
        before = found.setdefault(each.name, each)
        if before is not each:
            owners = (*before.owners, *each.owners)
            found[each.name] = Named(
                each.name, before.default, before.hint, before.metadata, before.chooser, tuple(dict.fromkeys(owners))
            )
    return found


def composed(settings: type[T], flat: Mapping[str, Any]) -> T:
    """A settings object from flat values; what is left out has its default, what has no effect is left out.

    Raises:
        UsageError: a name of no part, or values that the class refuses.
    """
    values: dict[str, Any] = {}
    for each in fields(settings):  # type: ignore[arg-type]
        if "group" in each.metadata:
            values[each.name] = composed(each.metadata["group"], flat)
        elif "parts" in each.metadata:
            name = flat.get(each.name, each.metadata["default"])
            if name is not None:
                values[each.name] = composed(lookup(each.metadata["parts"], name, f"`{each.name}`"), flat)
        elif each.name in flat:
            values[each.name] = flat[each.name]
    return settings(**values)


def flattened(settings: Any) -> dict[str, Any]:
    """The inverse of `composed`: flat values, parts by their names."""
    return {name: value for name, value, _ in _values(settings)}


def changed(settings: Any) -> dict[str, Any]:
    """Of `flattened`, what is not the default of its class."""
    return {name: value for name, value, default in _values(settings) if value != default}


def _values(settings: Any) -> Iterator[tuple[str, Any, Any]]:
    """Name, value and default of all settings below an object."""
    for each in fields(settings):
        value = getattr(settings, each.name)
        if "group" in each.metadata:
            yield from _values(value)
        elif "parts" in each.metadata:
            yield each.name, None if value is None else value.name, each.metadata["default"]
            yield from () if value is None else _values(value)
        else:
            yield each.name, value, each.default


def checked(settings: Any) -> None:
    """Raise UsageError if a value of one settings object is out of its range or none of its choices."""
    check_ranges(settings)
    for each in fields(settings):
        choices = each.metadata.get("choices")
        if choices and "parts" not in each.metadata:
            lookup(dict.fromkeys(choices), getattr(settings, each.name), f"`{each.name}`")


def refuse_without_effect(settings: Any, given: Iterable[str]) -> None:
    """Raise UsageError if one of the given names belongs to parts that are not chosen."""
    flat, names = flattened(settings), named(type(settings))
    for name in given:
        if name not in flat:
            decisive = names[name]
            while decisive.chooser not in flat:  # it belongs to a part of a part that is not chosen
                decisive = names[decisive.chooser]
            chooser, owners = decisive.chooser, " or ".join(decisive.owners)
            raise UsageError(
                f"`{name}` has no effect with `{chooser}` {flat.get(chooser)}: "
                f"leave it out, or say `{chooser}` {owners}"
            )


def coerced(settings: type, flat: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON and TOML have them, of the types that the settings have.

    Raises:
        UsageError: an unknown name, or a value of another type.
    """
    names = named(settings)
    return {name: _coerce(name, value, lookup(names, name, "setting").hint) for name, value in flat.items()}


def _named(settings: type, chooser: str, owner: str) -> Iterator[Named]:
    hints = _hints(settings)
    owners = (owner,) if owner else ()
    for each in fields(settings):
        if "group" in each.metadata:
            yield from _named(each.metadata["group"], chooser, owner)
        elif "parts" in each.metadata:
            told = {**each.metadata, "help": _listed(each.metadata)}
            yield Named(each.name, each.metadata["default"], str | None, told, chooser, owners)
            for name, chosen in each.metadata["parts"].items():
                yield from _named(chosen, each.name, name)
        else:
            yield Named(each.name, _default(each), hints[each.name], each.metadata, chooser, owners)


def _listed(metadata: Mapping[str, Any]) -> str:
    """The help of a part: what it is, and the names and words of those that there are."""
    names = [f"{name} ({each.about})" for name, each in metadata["parts"].items()]
    return f"{metadata['help']}: {', '.join(names[:-1])} or {names[-1]}"


def _default(each: Field) -> Any:
    return None if each.default is MISSING else each.default


def _coerce(name: str, value: Any, wanted: Any) -> Any:
    """Accept what JSON and TOML cannot tell apart: lists for tuples, integers for floats."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is tuple:
        values = value if isinstance(value, (list, tuple)) else [value]
        return tuple(_coerce(name, each, inner[0]) for each in values)
    if origin is types.UnionType:
        if value is None or type(value) in inner:
            return value
        return _coerce(name, value, [each for each in inner if each is not types.NoneType][-1])
    if wanted is float and type(value) is int:
        return float(value) if abs(value) < 2**1023 else math.inf if value > 0 else -math.inf  # in no range
    if type(value) is not wanted:
        raise UsageError(f"`{name}`: got {reprlib.repr(value)}; wanted a value of type {wanted.__name__}")
    return value
