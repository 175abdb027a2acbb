"""Values in JSON -> arrays of a signature's types."""

import base64
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from n2n_tf.serving.failure import Failure, invalid
from n2n_tf.serving.json_text import Constant, shown

KINDS = {dict: "Object", list: "Array", str: "String", type(None): "Null"}  # others are numbers
MOST_LEVELS = 8  # of lists within lists
BLANKS = dict.fromkeys(map(ord, " \t\n\v\f\r"))
TOO_BIG = "JSON Parse error: Number too big to be stored in double."


class Column:
    """An input's values in all rows. They become one array at the end: an array a row costs more than its values."""

    def __init__(self, info: Any):
        self._kind, self._expected = tf.as_dtype(info.dtype), tf.TensorShape(info.tensor_shape)
        self._shape: list[int] | None = None
        self._flat: list[Any] = []

    def add(self, value: Any) -> None:
        """Another row; all have one shape."""
        shape, before = _shape_of(value), len(self._flat)
        _fill(value, 0, shape, self._kind, self._flat)
        _check_range(self._flat[before:], self._kind)
        if self._shape is None:
            self._shape = shape
        size = math.prod(self._shape)
        if len(self._flat) - before != size:
            raise invalid(f"Expecting tensor size: {size} but got: {len(self._flat) - before}")
        if shape != self._shape:
            shapes = [str(each).replace(" ", "") for each in (self._shape, shape)]
            raise invalid(f"Expecting shape {shapes[0]} but got: {shapes[1]}")

    def check_shape(self, name: str) -> None:
        """Compare the rows with the signature before there are more of them."""
        shape = tf.TensorShape([None, *(self._shape or [])])
        if not self._expected.is_compatible_with(shape):
            found, wanted = (str(each.as_list()).replace("None", "?") for each in (shape, self._expected))
            raise invalid(f"Shape of {name} {found} is not compatible with expected shape {wanted}")

    def array(self, rows: int) -> np.ndarray:
        """All of them."""
        return _array(self._flat, [rows, *(self._shape or [])], self._kind)


def is_named(value: Any) -> bool:
    """Whether it is an object of named inputs, not one of base64."""
    return isinstance(value, dict) and not (set(value) == {"b64"} and isinstance(value["b64"], str))


def tensor(value: Any, info: Any) -> np.ndarray:
    """Nested lists -> an array of a signature's type."""
    kind, shape, flat = tf.as_dtype(info.dtype), _shape_of(value), list[Any]()
    _fill(value, 0, shape, kind, flat)
    _check_range(flat, kind)
    return _array(flat, shape, kind)


def _shape_of(value: Any) -> list[int]:
    """By the first element of each level."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    if len(shape) > MOST_LEVELS:
        raise invalid(f"JSON Value: lists in {len(shape)} levels; at most {MOST_LEVELS} are accepted")
    return shape


def _array(flat: list[Any], shape: Sequence[int], kind: tf.DType) -> np.ndarray:
    """Values in order -> an array. What a type cannot hold is infinite or wraps around."""
    if kind == tf.string:
        result = np.empty(len(flat), object)
        result[:] = flat
        return result.reshape(shape)
    try:
        result = np.array(flat, np.float64 if kind.is_floating else np.int64)
    except OverflowError as error:  # an integer
        raise invalid(TOO_BIG) from error
    if kind.is_floating and any(type(flat[place]) is float for place in np.flatnonzero(np.isinf(result))):
        raise invalid(TOO_BIG)
    with np.errstate(over="ignore"):
        return result.astype(kind.as_numpy_dtype).reshape(shape)


def _fill(value: Any, level: int, shape: Sequence[int], kind: tf.DType, flat: list[Any]) -> None:
    """Append the values of nested lists, in order; they must all have this shape and kind."""
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {shown(value)} found at incorrect level: {level + 1} in the JSON DOM. "
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
        return _bytes(value)
    if kind == tf.string and isinstance(value, dict):
        if is_named(value):
            raise invalid(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
        return _from_base64(value["b64"])
    raise _wrong_type(value, kind)


def _bytes(text: str) -> bytes:
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise invalid("JSON Parse error: The surrogate pair in string is invalid.") from error


def _from_base64(text: str) -> bytes:
    """As absl::Base64Unescape reads it: blanks anywhere; dots may be the padding, or none."""
    text = text.translate(BLANKS)
    kept = text.rstrip("=.")
    padding = len(text) - len(kept)
    try:
        if padding not in (0, -len(kept) % 4):
            raise ValueError("padding")
        return base64.b64decode(kept + "=" * (-len(kept) % 4), validate=True)
    except ValueError as error:  # binascii.Error, or letters outside ASCII
        raise invalid("Unable to base64 decode") from error


def _numbers(kind: tf.DType) -> set[type]:
    """Python's types of the JSON numbers that a tensor takes."""
    return {int, float, Constant} if kind.is_floating else {int} if kind.is_integer else set()


def _check_range(values: list[Any], kind: tf.DType) -> None:
    """TensorFlow Serving reads integers of small types by way of 32 bits, and wraps these around."""
    if not kind.is_integer or not values:
        return
    most = 2 ** (max(kind.size * 8, 32) - 1)
    if not (-most <= min(values) and max(values) < most):
        raise _wrong_type(next(each for each in values if not -most <= each < most), kind)


def _wrong_type(value: Any, kind: tf.DType) -> Failure:
    name = str(value) if isinstance(value, bool) else KINDS.get(type(value), "Number")
    return invalid(f"JSON Value: {shown(value)} Type: {name} is not of expected type: {_name(kind)}")


def _name(kind: tf.DType) -> str:
    """As TensorFlow's C++ code names it."""
    return {"float32": "float", "float64": "double", "float16": "half"}.get(kind.name, kind.name)
