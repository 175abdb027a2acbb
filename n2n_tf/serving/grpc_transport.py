"""One predict call over TensorFlow Serving's gRPC API."""

import math
from urllib.parse import urlsplit

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from n2n_tf.serving.transport import MESSAGE_BYTES, ServingError, Target, again_if_unavailable

FIELDS = {"f": "float_val", "u": "int_val", "O": "string_val"}  # of float32, uint8 and string
MOST_SIZES = 8  # of a shape


class GrpcTransport:
    """TensorFlow Serving's PredictionService."""

    sends_bytes = True

    def __init__(self, target: Target):
        self._target = target
        address, secure = urlsplit(target.url).netloc, urlsplit(target.url).scheme == "grpcs"
        options = [
            ("grpc.max_send_message_length", min(target.max_body, 2**31 - 1)),
            ("grpc.max_receive_message_length", min(target.max_answer, MESSAGE_BYTES)),
        ]
        self._channel = (
            grpc.secure_channel(address, grpc.ssl_channel_credentials(), options)
            if secure
            else grpc.insecure_channel(address, options)
        )
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

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
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self._target.model, signature
        if self._target.version is not None:
            request.model_spec.version.value = self._target.version
        if self._target.label is not None:
            request.model_spec.version_label = self._target.label
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        self._target.check_size(request.ByteSize())
        answer = again_if_unavailable(lambda seconds: self._answer(request, seconds), self._target.timeout)
        try:
            (output,) = answer.outputs.values()
            return _tensor(output, value.dtype, most)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise ServingError(f"{self._target.url}: no answer of TensorFlow Serving: {error}") from error

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _answer(self, request: predict_pb2.PredictRequest, seconds: float) -> predict_pb2.PredictResponse:
        metadata = [(name.lower(), value) for name, value in self._target.headers.items()]
        try:
            return self._stub.Predict(request, timeout=seconds, metadata=metadata)
        except grpc.RpcError as error:
            unavailable = error.code() == grpc.StatusCode.UNAVAILABLE
            raise ServingError(f"{error.code().name} {error.details()}", unavailable) from error


def _tensor(proto: TensorProto, dtype: np.dtype, most: int) -> np.ndarray:
    """The array of an answer, after a look at what it declares: one value may stand for all of any shape."""
    kind, sizes = tf.as_dtype(dtype), [dim.size for dim in proto.tensor_shape.dim]
    values = getattr(proto, FIELDS[dtype.kind])
    held = len(values) or len(proto.tensor_content) // dtype.itemsize
    if proto.dtype != kind.as_datatype_enum:
        raise ValueError(f"a tensor of dtype {proto.dtype}, where {kind.name}, {kind.as_datatype_enum}, was wanted")
    if proto.tensor_shape.unknown_rank or len(sizes) > MOST_SIZES or any(size < 0 for size in sizes):
        raise ValueError(f"a tensor of shape {sizes[:MOST_SIZES]}")
    if not math.prod(sizes) == held <= most:
        raise ValueError(f"a tensor of shape {sizes} that holds {held} values, where {most} were wanted")
    if dtype.kind == "u" and len(values) and not 0 <= min(values) <= max(values) <= np.iinfo(dtype).max:
        raise ValueError(f"numbers that are no {kind.name}")
    return tf.make_ndarray(proto)
