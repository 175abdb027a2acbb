"""Command line flags from the fields of a settings class."""

import argparse
import re
import types
import typing
from collections.abc import Container
from typing import Any

from n2n_tf.config import Range, flag, named, number_or_word


class Number(argparse.Action):
    """Stores a number, or some; refuses those outside of `within`."""

    def __init__(self, *args: Any, within: Range, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.within = within

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        """Raise UsageError outside the range."""
        for value in values if isinstance(values, list) else [values]:
            self.within.check(value, str(option_string))
        setattr(namespace, self.dest, values)


def add_flags(parser: argparse._ActionsContainer, settings: type, names: Container[str] | None = None) -> None:
    """One flag for each field, or for some; what is not given is absent from the result."""
    for each in (each for name, each in named(settings).items() if names is None or name in names):
        parser.add_argument(
            flag(each.name), default=argparse.SUPPRESS, help=in_flags(each.metadata["help"]) + _default(each.default),
            **_type(each.hint, each.metadata),
        )  # fmt: skip


def in_flags(text: str) -> str:
    """A help text, with settings as flags."""
    return re.sub("`([a-z_0-9]+)`", lambda match: flag(match[1]), text)


def given(args: argparse.Namespace, settings: type) -> dict[str, Any]:
    """The fields that were given as flags."""
    names = named(settings)
    return {name: value for name, value in vars(args).items() if name in names}


def _default(value: Any) -> str:
    if value in (None, (), ""):
        return ""  # its help says what happens
    return f" (default: {' '.join(map(str, value)) if isinstance(value, tuple) else value})"


def _type(hint: Any, metadata: Any) -> dict[str, Any]:
    """What argparse wants to know about a field."""
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    kwargs: dict[str, Any] = {"metavar": metadata["metavar"]}
    if metadata["choices"]:
        kwargs = {"choices": metadata["choices"]}
    inner = [each for each in typing.get_args(hint) if each not in (type(None), Ellipsis)]
    if typing.get_origin(hint) is tuple:
        kwargs["nargs"] = "+"
    if {str, float} <= set(inner):
        hint = number_or_word
    elif isinstance(hint, types.UnionType) or inner:
        hint = inner[0]
    if isinstance(hint, types.UnionType):
        hint = number_or_word if float in typing.get_args(hint) else str
    return {**kwargs, "type": hint}
