"""Tensors in JSON, as TensorFlow Serving's REST API writes them."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from n2n_tf.serving.failure import Failure, invalid
from n2n_tf.serving.json_text import shortened, shown
from n2n_tf.serving.json_values import Column, is_named, tensor

Info = Mapping[str, Any]  # TensorInfo by name
SEVERAL = "as multiple input tensors required as per tensorinfo_map"
PATIENCE = 100  # rows after which a wrong shape ends it; fewer get the session's own words


def signature_of(request: Mapping[str, Any]) -> str:
    """The signature that a request names, or the default one."""
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {shown(request)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name or "serving_default"


def inputs_of(request: Mapping[str, Any], info: Info) -> dict[str, np.ndarray]:
    """The tensors of a request, in row format ("instances") or column format ("inputs").

    Raises:
        Failure: they are not what the signature takes.
    """
    if "instances" in request and "inputs" in request:
        text = "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        raise invalid(f"JSON Value: {shown(request)} {text}")
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
        raise invalid(f"JSON Value: {shown(request)} Expecting 'instances' to be an list/array")
    if not rows:
        raise invalid(f"JSON Value: {shown(request)} No values in 'instances' array")
    named = is_named(rows[0])
    if not named and len(info) > 1:
        raise invalid(f"instances is a plain list, but expecting list of objects {SEVERAL}")
    columns = {name: Column(each) for name, each in info.items()}
    for number, row in enumerate(rows):
        if is_named(row) != named:
            words = "object but got list" if named else "value/list but got object"
            raise invalid(f"Expecting {words} at item {number} of input list")
        _add_row(number, row, named, columns)
        if number == PATIENCE:
            for name, column in columns.items():
                column.check_shape(name)
    return {name: column.array(len(rows)) for name, column in columns.items()}


def _add_row(number: int, row: Any, named: bool, columns: Mapping[str, Column]) -> None:
    for name, value in row.items() if named else [(next(iter(columns)), row)]:
        try:
            if name not in columns:
                raise invalid(f"JSON object: does not have named input: {shortened(name)}")
            columns[name].add(value)
        except Failure as failure:
            key = f" key: {shortened(name)}" if named else ""
            place = f"element: {number}{key} of 'instances' list"
            raise invalid(f"Failed to process {place}. Error: {failure.code.name}: {failure}") from failure
    if named and len(row) < len(columns):
        text = f"JSON object: {shown(row)} keys must be equal to: {','.join(sorted(columns))}"
        raise invalid(f"Failed to process element: {number} of 'instances' list. {text}")


def _from_columns(value: Any, info: Info) -> dict[str, np.ndarray]:
    if not is_named(value):
        if len(info) > 1:
            raise invalid(f"inputs is a plain value/list, but expecting an object {SEVERAL}")
        value = {next(iter(info)): value}
    for name in info:
        if name not in value:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return {name: tensor(value[name], each) for name, each in info.items()}


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
