"""One predict call over TensorFlow Serving's gRPC API."""

import math
from typing import Any
from urllib.parse import urlsplit

import grpc
import numpy as np

from n2n_tf.serving.messages import PredictRequest, PredictResponse, Tensor
from n2n_tf.serving.transport import MESSAGE_BYTES, ServingError, Target, again_if_unavailable

METHOD = "/tensorflow.serving.PredictionService/Predict"
# TensorFlow's name and number of a type, and the field of its values, by NumPy's kind of float32, uint8 and files
TYPES = {"f": ("float32", 1, "float_val"), "u": ("uint8", 4, "int_val"), "O": ("string", 7, "string_val")}
MOST_SIZES = 8  # of a shape
LARGEST = 2**31 - 1  # bytes of a message


class GrpcTransport:
    """TensorFlow Serving's PredictionService."""

    sends_bytes = True

    def __init__(self, target: Target):
        self._target = target
        address, secure = urlsplit(target.url).netloc, urlsplit(target.url).scheme == "grpcs"
        options = [
            ("grpc.max_send_message_length", min(target.max_body, LARGEST)),
            ("grpc.max_receive_message_length", min(target.max_answer, MESSAGE_BYTES)),
        ]
        self._channel = (
            grpc.secure_channel(address, grpc.ssl_channel_credentials(), options)
            if secure
            else grpc.insecure_channel(address, options)
        )
        self._predict = self._channel.unary_unary(METHOD, PredictRequest.SerializeToString, PredictResponse.FromString)

    @staticmethod
    def tensor_bytes(dtype: np.dtype, channels: int) -> int:
        """Of a pixel in a request."""
        return channels * dtype.itemsize

    @staticmethod
    def file_bytes(size: int) -> int:
        """Of a file of this size in a request."""
        return size

    def predict(self, signature: str, name: str, value: np.ndarray, most: int) -> np.ndarray:
        """Call a signature with one input and one output.

        Args:
            signature, name: of the input.
            value: float32 or uint8 [B, H, W, C], or files.
            most: values that a correct answer has at most, or bytes of its file.

        Raises:
            ServingError: there is no correct answer.
            ValueError: the request is larger than the server takes.
        """
        request = PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self._target.model, signature
        if self._target.version is not None:
            request.model_spec.version.value = self._target.version
        if self._target.label is not None:
            request.model_spec.version_label = self._target.label
        request.inputs.add(key=name, value=_message(value))
        self._target.check_size(request.ByteSize())
        answer = again_if_unavailable(lambda seconds: self._answer(request, seconds), self._target.timeout)
        try:
            (output,) = answer.outputs
            return _array(output.value, value.dtype, most)
        except (ValueError, TypeError) as error:
            raise ServingError(f"{self._target.url}: no answer of TensorFlow Serving: {error}") from error

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _answer(self, request: Any, seconds: float) -> Any:
        metadata = [(name.lower(), value) for name, value in self._target.headers.items()]
        try:
            return self._predict(request, timeout=seconds, metadata=metadata)
        except grpc.RpcError as error:
            unavailable = error.code() == grpc.StatusCode.UNAVAILABLE
            raise ServingError(f"{error.code().name} {error.details()}", unavailable) from error


def _message(value: np.ndarray) -> Any:
    """float32 or uint8 [...], or files [B], as a tensor of a request."""
    if value.nbytes > LARGEST:
        raise ValueError(f"an image of {value.nbytes} bytes is more than a message of gRPC holds; send smaller tiles")
    sizes = {"dim": [{"size": size} for size in value.shape]}
    content = {"string_val": value.tolist()} if value.dtype == object else {"tensor_content": value.tobytes()}
    return Tensor(dtype=TYPES[value.dtype.kind][1], tensor_shape=sizes, **content)


def _array(tensor: Any, dtype: np.dtype, most: int) -> np.ndarray:
    """The array of an answer, after a look at what it declares: one value may stand for all of any shape."""
    (name, number, field), sizes = TYPES[dtype.kind], [dim.size for dim in tensor.tensor_shape.dim]
    values, content = getattr(tensor, field), tensor.tensor_content if dtype.kind != "O" else b""
    held = len(values) or len(content) // dtype.itemsize
    if tensor.dtype != number:
        raise ValueError(f"a tensor of dtype {tensor.dtype}, where {name}, {number}, was wanted")
    if tensor.tensor_shape.unknown_rank or len(sizes) > MOST_SIZES or any(size < 0 for size in sizes):
        raise ValueError(f"a tensor of shape {sizes[:MOST_SIZES]}")
    if not math.prod(sizes) == held <= most:
        raise ValueError(f"a tensor of shape {sizes} that holds {held} values, where {most} were wanted")
    if dtype.kind == "u" and len(values) and not 0 <= min(values) <= max(values) <= np.iinfo(dtype).max:
        raise ValueError(f"numbers that are no {name}")
    return (np.array(list(values), dtype) if len(values) else np.frombuffer(content, dtype).copy()).reshape(sizes)
