"""Tensors in JSON, as TensorFlow Serving's REST API writes them."""

import base64
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from n2n_tf.serving.failure import Failure, invalid

Info = Mapping[str, Any]  # TensorInfo by name
KINDS = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number", type(None): "Null"}
MOST_LEVELS = 8  # of lists within lists
SHOWN = 1024  # characters of a request in an error


def parsed(body: bytes) -> dict[str, Any]:
    """A request's JSON object.

    Raises:
        Failure: it is none.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        value = json.loads(body)
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of too many digits; too deep
        raise invalid(f"JSON Parse error: {error}") from error
    if not isinstance(value, dict):
        raise invalid(f"JSON Value: {_shown(value)} Is not object")
    return value


def signature_of(request: Mapping[str, Any]) -> str:
    """The signature that a request names, or the default one."""
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {_shown(request)} not formatted correctly. 'signature_name' key must be a string value."
        )
    if not name.isprintable():
        raise invalid(f"signature_name {_shown(name)}: no signature is called so")
    return name or "serving_default"


def inputs_of(request: Mapping[str, Any], info: Info) -> dict[str, np.ndarray]:
    """The tensors of a request, in row format ("instances") or column format ("inputs").

    Raises:
        Failure: they are not what the signature takes.
    """
    if "instances" in request and "inputs" in request:
        text = "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist"
        raise invalid(f"JSON Value: {_shown(request)} {text}")
    if "instances" in request:
        return _from_rows(request, info)
    if "inputs" in request:
        return _from_columns(request["inputs"], info)
    raise invalid("Missing 'inputs' or 'instances' key")


def as_json(request: Mapping[str, Any], outputs: Mapping[str, np.ndarray]) -> bytes:
    """The answer to a request, in its format."""
    plain = {name: _plain(name, value) for name, value in outputs.items()}
    if "inputs" in request:
        return json.dumps({"outputs": plain if len(plain) > 1 else next(iter(plain.values()))}).encode()
    if any(not np.ndim(value) or not len(value) for value in outputs.values()):
        raise invalid("an output has no rows: ask in column format, with 'inputs'")
    rows = [dict(zip(plain, row, strict=True)) if len(plain) > 1 else row[0] for row in zip(*plain.values())]  # noqa: B905
    return json.dumps({"predictions": rows}).encode()


def _from_rows(request: Mapping[str, Any], info: Info) -> dict[str, np.ndarray]:
    rows = request["instances"]
    if not isinstance(rows, list):
        raise invalid(f"JSON Value: {_shown(request)} Excepting 'instances' to be an list/array")
    if not rows:
        raise invalid(f"JSON Value: {_shown(request)} No values in 'instances' array")
    named = _is_named(rows[0])
    if not named and len(info) > 1:
        raise invalid("instances is a plain list, but expecting list of objects as multiple input tensors required")
    columns: dict[str, list[np.ndarray]] = {name: [] for name in info}
    for number, row in enumerate(rows):
        if _is_named(row) != named:
            words = "object but got list" if named else "value/list but got object"
            raise invalid(f"Expecting {words} at item {number} of input list")
        try:
            _add_row(row if named else {next(iter(info)): row}, info, columns)
        except Failure as failure:
            text = f"Failed to process element: {number} of 'instances' list. Error: {failure.code.name}: {failure}"
            raise invalid(text) from failure
    return {name: np.stack(column) for name, column in columns.items()}


def _add_row(row: Mapping[str, Any], info: Info, columns: Mapping[str, list[np.ndarray]]) -> None:
    if set(row) != set(info):
        raise invalid(f"JSON object: {_shown(row)} must only have keys: {','.join(sorted(info))}")
    for name, value in row.items():
        column = columns[name]
        column.append(_tensor(value, info[name]))
        if column[0].shape != column[-1].shape:
            shapes = [str(list(each.shape)).replace(" ", "") for each in (column[0], column[-1])]
            raise invalid(f"Expecting shape {shapes[0]} but got: {shapes[1]}")


def _from_columns(value: Any, info: Info) -> dict[str, np.ndarray]:
    if not _is_named(value):
        if len(info) > 1:
            raise invalid("inputs is a plain value/list, but expecting an object as multiple input tensors required")
        value = {next(iter(info)): value}
    for name in info:
        if name not in value:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return {name: _tensor(value[name], each) for name, each in info.items()}


def _is_named(value: Any) -> bool:
    """Whether it is an object of named inputs, not one of base64."""
    return isinstance(value, dict) and not (set(value) == {"b64"} and isinstance(value["b64"], str))


def _tensor(value: Any, info: Any) -> np.ndarray:
    """Nested lists -> an array of a signature's type."""
    kind, shape, first = tf.as_dtype(info.dtype), [], value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    if len(shape) > MOST_LEVELS:
        raise invalid(f"JSON Value: lists in {len(shape)} levels; at most {MOST_LEVELS} are accepted")
    flat: list[Any] = []
    _fill(value, 0, shape, kind, flat)
    if kind == tf.string:
        result = np.empty(len(flat), object)
        result[:] = flat
        return result.reshape(shape)
    try:
        with np.errstate(over="raise"):
            result = np.array(flat, np.float64 if kind.is_floating else np.int64)
            if kind.is_integer and flat and not kind.min <= result.min() <= result.max() <= kind.max:
                raise OverflowError
            return result.astype(kind.as_numpy_dtype).reshape(shape)
    except (OverflowError, FloatingPointError) as error:
        raise invalid(f"Cannot convert JSON value to {_name(kind)} without loss of precision.") from error


def _fill(value: Any, level: int, shape: Sequence[int], kind: tf.DType, flat: list[Any]) -> None:
    """Append the values of nested lists, in order; they must all have this shape and kind."""
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {_shown(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        flat.append(_scalar(value, kind))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    if level == len(shape) - 1 and set(map(type, value)) <= _numbers(kind):
        flat.extend(value)
        return
    for each in value:
        _fill(each, level + 1, shape, kind, flat)


def _scalar(value: Any, kind: tf.DType) -> Any:
    if type(value) in _numbers(kind):
        return value
    if kind == tf.string and isinstance(value, str):
        return value.encode(errors="surrogatepass")
    if kind == tf.string and isinstance(value, dict):
        if _is_named(value):
            raise invalid(f"JSON Value: {_shown(value)} not formatted correctly for base64 data")
        try:
            text = "".join(value["b64"].split())
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except ValueError as error:  # binascii.Error, or letters outside ASCII
            raise invalid("Unable to base64 decode") from error
    name = str(value) if isinstance(value, bool) else KINDS[type(value)]
    raise invalid(f"JSON Value: {_shown(value)} Type: {name} is not of expected type: {_name(kind)}")


def _numbers(kind: tf.DType) -> set[type]:
    """Python's types of the JSON numbers that a tensor takes."""
    return {int, float} if kind.is_floating else {int} if kind.is_integer else set()


def _name(kind: tf.DType) -> str:
    """As TensorFlow's C++ code names it."""
    return {"float32": "float", "float64": "double", "float16": "half"}.get(kind.name, kind.name)


def _shown(value: Any) -> str:
    """The beginning of a value's JSON; never all of it, which by its indents can be a thousand times the request."""
    try:
        text = "".join(itertools.islice(json.JSONEncoder(indent=4).iterencode(value), SHOWN + 1))
    except RecursionError:
        return "(lists within lists)"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}...TRUNCATED"


def _plain(name: str, value: np.ndarray) -> Any:
    if value.dtype == object:
        texts = [
            {"b64": base64.b64encode(each).decode()} if name.endswith("_bytes") else each.decode(errors="replace")
            for each in value.ravel()
        ]
        return np.array(texts, object).reshape(value.shape).tolist()
    if value.ndim > 2:  # in rows, so that other threads have their turn
        return [_plain(name, each) for each in value]
    if value.dtype.kind == "f":  # the shortest digits that give the same float, 0.2 and not 0.20000000298
        value = value.astype("U").astype(np.float64)
    return value.tolist()
