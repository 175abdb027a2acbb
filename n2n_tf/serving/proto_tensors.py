"""Tensors in gRPC requests."""

import math

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
