"""JSON text: a request's, read as TensorFlow Serving does, and quoted in errors as it does."""

import json
import re
from collections.abc import Iterator
from typing import Any

from n2n_tf.serving.failure import invalid

SHOWN, MOST_OF_STRING = 256, 1024  # characters of a request in an error, and of one string in it
INDENT = "    "
STRING_OR_INF = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|\bInf\b', re.DOTALL)


class Constant(float):
    """NaN or an infinity that was written as such; an infinite plain float was a number too big."""


def _first_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which, as in TensorFlow Serving, the first of equal keys counts."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        result.setdefault(key, value)
    return result


DECODER = json.JSONDecoder(object_pairs_hook=_first_of_each, parse_constant=Constant)


def parsed(body: bytes) -> dict[str, Any]:
    """A request's JSON object. Bytes that are not UTF-8 stay what they are, within strings.

    Raises:
        Failure: it is none.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        value = _decoded(body.decode(errors="surrogateescape"))
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except (ValueError, RecursionError) as error:  # a number of too many digits; too deep
        raise invalid(f"JSON Parse error: {error}") from error
    if not isinstance(value, dict):
        raise invalid(f"JSON Value: {shown(value)} Is not object")
    return value


def _decoded(text: str) -> Any:
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        if not text.startswith(("Inf", "-Inf"), error.pos):
            raise
    return DECODER.decode(STRING_OR_INF.sub(lambda found: "Infinity" if found[0] == "Inf" else found[0], text))


def shown(value: Any) -> str:
    """The beginning of a value's JSON, as TensorFlow Serving writes and cuts it: after the token that exceeds it."""
    text = ""
    for token in _tokens(value, 1):
        text += token
        if len(text) > SHOWN:
            break
    return text


def _tokens(value: Any, level: int) -> Iterator[str]:
    """JSON with lists on one line and objects of a line for each key."""
    if isinstance(value, dict):
        yield "{"
        for number, (key, each) in enumerate(value.items()):
            yield f"{',' if number else ''}\n{INDENT * level}{_scalar_shown(key)}: "
            yield from _tokens(each, level + 1)
        yield f"\n{INDENT * (level - 1)}}}" if value else "}"
    elif isinstance(value, list):
        yield "["
        for number, each in enumerate(value):
            yield ", " if number else ""
            yield from _tokens(each, level + 1)
        yield "]"
    else:
        yield _scalar_shown(value)


def shortened(text: str) -> str:
    """Of a string that may be as long as the request, the beginning."""
    return text if len(text) <= MOST_OF_STRING else text[:MOST_OF_STRING] + "..."


def _scalar_shown(value: Any) -> str:
    return json.dumps(shortened(value) if isinstance(value, str) else value, ensure_ascii=False)
