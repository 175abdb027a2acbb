"""TensorFlow Serving's gRPC API."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from n2n_tf.serving.failure import Failure, invalid
from n2n_tf.serving.service import Service

SHOWN = 1024  # characters of an error, as in TensorFlow Serving
Handler = Callable[[AsyncIterator[bytes], grpc.aio.ServicerContext], Awaitable[bytes]]


class RpcApi:
    """Predict, metadata and status; the rest is UNIMPLEMENTED. A models.config is read again by itself.

    The handlers are registered as if a call could have many messages, and get their bytes: grpcio would call them when
    the message has arrived, for which it may wait for ever, and leaks memory for each one that it cannot parse.

    Args:
        service: answers.

    Attributes:
        handlers: for a gRPC server of asyncio.
    """

    def __init__(self, service: Service):
        self._service = service
        refused = dict.fromkeys(("Classify", "Regress", "MultiInference"), _refuse)
        predictions = {
            "Predict": self._called(PredictRequest, self._predict),
            "GetModelMetadata": self._called(GetModelMetadataRequest, self._metadata),
        }
        models = {
            "GetModelStatus": self._called(GetModelStatusRequest, self._status),
            "HandleReloadConfigRequest": _refuse,
        }
        self.handlers = (_handlers("PredictionService", refused | predictions), _handlers("ModelService", models))

    def _called(self, kind: type[Message], call: Callable[[Any], Awaitable[Message | bytes]]) -> Handler:
        async def answer(messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
            gate = self._service.gate
            try:
                with gate.entered():
                    result = await call(_parsed(kind, await gate.arrived(_first(messages))))
            except Failure as failure:
                text = str(failure)
                await context.abort(failure.code, text if len(text) <= SHOWN else f"{text[:SHOWN]}...TRUNCATED")
            return result if isinstance(result, bytes) else result.SerializeToString()

        return answer

    async def _predict(self, request: PredictRequest) -> bytes:
        """In bytes: the thread that computes them has the time."""
        with self._service.recorded(request.model_spec.name, "GRPC", "Predict"):
            return await self._service.gate.work(
                lambda: self._service.predict_proto(_with_spec(request)).SerializeToString()
            )

    async def _metadata(self, request: GetModelMetadataRequest) -> Message:
        return self._service.metadata(_with_spec(request).model_spec, request.metadata_field)

    async def _status(self, request: GetModelStatusRequest) -> Message:
        return self._service.status(_with_spec(request).model_spec)


def _handlers(service: str, calls: dict[str, Handler]) -> grpc.GenericRpcHandler:
    methods = {name: grpc.stream_unary_rpc_method_handler(call) for name, call in calls.items()}
    return grpc.method_handlers_generic_handler(f"tensorflow.serving.{service}", methods)


async def _first(messages: AsyncIterator[bytes]) -> bytes:
    async for message in messages:
        return message
    raise Failure(grpc.StatusCode.UNIMPLEMENTED, "the call ended without a message; wanted one")


def _parsed(kind: type[Message], message: bytes) -> Message:
    try:
        return kind.FromString(message)
    except DecodeError as error:  # INTERNAL, as gRPC answers it in C++
        raise Failure(grpc.StatusCode.INTERNAL, f"the message is no {kind.DESCRIPTOR.full_name}") from error


def _with_spec(request: Any) -> Any:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request


async def _refuse(messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
    return await context.abort(grpc.StatusCode.UNIMPLEMENTED, "not offered here; a denoiser is called by Predict")
