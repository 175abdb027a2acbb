"""Tensors in gRPC requests, and their names."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from n2n_tf.serving.failure import invalid


def from_proto(name: str, proto: TensorProto, limit: int) -> np.ndarray:
    """A tensor of a gRPC request.

    Args:
        name: of the input, for errors.
        proto: one number may stand for all of them, so its size is checked first.
        limit: of elements.

    Raises:
        Failure: it is no tensor, or too large.
    """
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    held = len(proto.string_val)
    if any(size < 0 for size in sizes) or proto.tensor_shape.unknown_rank:
        raise invalid(f"tensor parsing error: {name}")
    if proto.dtype == tf.string.as_datatype_enum and math.prod(sizes) != held:
        raise invalid(f"tensor parsing error: {name}: its shape is {sizes}, the strings in string_val are {held}")
    if math.prod(sizes) > limit:
        raise invalid(f"tensor parsing error: {name}: its shape is {sizes}; at most {limit} elements are accepted")
    try:
        return tf.make_ndarray(proto)
    except (TypeError, ValueError, OverflowError, KeyError) as error:  # KeyError: of a type NumPy has not
        raise invalid(f"tensor parsing error: {name}") from error


def check_names(sent: set[str], inputs: Mapping[str, Any]) -> None:
    """Raise Failure if a gRPC request has other inputs than a signature, TensorInfo by name.

    In TensorFlow Serving's words.
    """
    wanted = set(inputs)
    if sent == wanted:
        return
    if len(sent) == len(wanted):
        missing = sorted(wanted - sent)[0]
        raise invalid(
            f"Signature input alias: {missing}(feed name: {inputs[missing].name}) not found in request and no default "
            f"value provided. Inputs expected to be in the request {{{','.join(sorted(sent))}}}, "
            "or default input alias set: "
        )
    lists = [",".join(sorted(names)) for names in (sent, wanted, sent - wanted, wanted - sent)]
    raise invalid(
        f"input size does not match signature: {len(sent)}!={len(wanted)} len({{{lists[0]}}}) != len({{{lists[1]}}}). "
        f"Sent extra: {{{lists[2]}}}. Missing but required: {{{lists[3]}}}."
    )
