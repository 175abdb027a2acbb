"""TensorFlow Serving's gRPC API."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, GetModelMetadataResponse
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, GetModelStatusResponse
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from n2n_tf.serving.failure import Failure, invalid
from n2n_tf.serving.service import Service

T = TypeVar("T")
SHOWN = 1024  # characters of an error, as in TensorFlow Serving


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict and metadata; the rest is UNIMPLEMENTED."""

    def __init__(self, service: Service):
        self._service = service

    def Predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:  # noqa: N802
        """Denoise."""
        return _answer(context, lambda: self._predict(request, context))

    def GetModelMetadata(  # noqa: N802
        self, request: GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> GetModelMetadataResponse:
        """The signatures."""
        return _answer(context, lambda: self._service.metadata(_with_spec(request).model_spec, request.metadata_field))

    def _predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:
        left = context.time_remaining()
        with (
            self._service.recorded(request.model_spec.name, "GRPC", "Predict"),
            self._service.gate.place(),
            self._service.gate.slot(context.is_active, math.inf if left is None else left),
        ):
            return self._service.predict_proto(_with_spec(request))

    def Classify(self, request: Any, context: grpc.ServicerContext) -> None:  # noqa: N802
        """Not offered."""
        _refuse(context)

    Regress = MultiInference = Classify


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """Status; reloading is UNIMPLEMENTED: a models.config is read again by itself."""

    def __init__(self, service: Service):
        self._service = service

    def GetModelStatus(  # noqa: N802
        self, request: GetModelStatusRequest, context: grpc.ServicerContext
    ) -> GetModelStatusResponse:
        """The versions and their states."""
        return _answer(context, lambda: self._service.status(_with_spec(request).model_spec))

    def HandleReloadConfigRequest(self, request: Any, context: grpc.ServicerContext) -> None:  # noqa: N802
        """Not offered."""
        _refuse(context)


def _answer(context: grpc.ServicerContext, call: Callable[[], T]) -> T:
    try:
        return call()
    except Failure as failure:
        text = str(failure)
        return context.abort(failure.code, text if len(text) <= SHOWN else f"{text[:SHOWN]}...TRUNCATED")


def _with_spec(request: Any) -> Any:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request


def _refuse(context: grpc.ServicerContext) -> None:
    context.abort(grpc.StatusCode.UNIMPLEMENTED, "not offered here; a denoiser is called by Predict")
