"""What the server does for a request, whichever API it came by."""

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from grpc import StatusCode
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2
from tensorflow_serving.apis.model_pb2 import ModelSpec

from n2n_tf.config import ServeConfig
from n2n_tf.exporting.cpp_loader import CppModel, SessionError
from n2n_tf.inference.denoiser import SIDE_MULTIPLE
from n2n_tf.serving import json_tensors, json_text
from n2n_tf.serving.failure import CODES, Failure, invalid
from n2n_tf.serving.gate import Gate
from n2n_tf.serving.metrics import Metrics
from n2n_tf.serving.models import Models
from n2n_tf.serving.proto_tensors import check_names, from_proto
from n2n_tf.serving.sizes import pixels_of

if TYPE_CHECKING:
    from n2n_tf.serving.inspector import Inspector

logger = logging.getLogger(__name__)
Tensors = Mapping[str, np.ndarray]
CHANNELS = 4  # at most, in an image that is sent as a tensor
SIGNATURES = "signature_def"


class Service:
    """Predict, status and metadata.

    Args:
        models: that are served.
        config: limits.

    Attributes:
        inspector: of the requests, if they are inspected.
    """

    def __init__(self, models: Models, config: ServeConfig):
        self.models, self.gate, self.metrics = models, Gate(config.concurrency, config.queue, config.timeout), Metrics()
        self.max_pixels = config.pixels
        self.inspector = _inspector(models, self.gate) if config.inspect else None

    def close(self) -> None:
        """End what goes on beside the requests."""
        if self.inspector:
            self.inspector.close()

    def metrics_page(self) -> str:
        """What Prometheus reads."""
        return self.metrics.page() + (self.inspector.gauges.page() if self.inspector else "")

    def predict_json(self, spec: ModelSpec, body: bytes, ticket: str = "") -> bytes:
        """Answer a predict request of the REST API.

        Args:
            spec: which model.
            body: of the request.
            ticket: by which the client will ask for its inspection.

        Raises:
            Failure: it is wrong, or the model fails.
        """
        request = json_text.parsed(body)
        name = json_tensors.signature_of(request)
        with self.models.use(spec) as (number, model):
            if name not in model.signatures:
                if name in model.all_signatures:
                    raise invalid(f"Failed to get input map for signature: {name}")
                raise invalid(f'Serving signature name: "{json_text.shortened(name)}" not found in signature def')
            inputs = json_tensors.inputs_of(request, model.signatures[name].inputs)
            outputs = self._run(model, name, inputs)
        answer = json_tensors.as_json(request, outputs)
        self._offer((spec.name, number), name, (inputs, outputs), ticket)
        return answer

    def predict_proto(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        """Answer a predict request of the gRPC API.

        Raises:
            Failure: as `predict_json`.
        """
        name = request.model_spec.signature_name or "serving_default"
        with self.models.use(request.model_spec) as (number, model):
            if name not in model.signatures:
                raise Failure(StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
            signature = model.signatures[name]
            check_names(set(request.inputs), signature.inputs)
            for place, alias in enumerate(request.output_filter):
                if alias not in signature.outputs:
                    raise invalid(
                        f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                        f"{{{','.join(sorted(signature.outputs))}}}."
                    )
                if alias in request.output_filter[:place]:
                    raise invalid(f"duplicate output tensor alias: {alias}")
            limit = self.max_pixels * CHANNELS
            inputs = {key: from_proto(key, value, limit) for key, value in request.inputs.items()}
            outputs = self._run(model, name, inputs, request.output_filter)
        response = predict_pb2.PredictResponse(model_spec=ModelSpec(name=request.model_spec.name, signature_name=name))
        response.model_spec.version.value = number
        for key, value in outputs.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        self._offer((request.model_spec.name, number), name, (inputs, outputs))
        return response

    def status(self, spec: ModelSpec) -> get_model_status_pb2.GetModelStatusResponse:
        """The versions of a model and their states. As in TensorFlow Serving, a label does not matter here.

        Raises:
            Failure: there is no such model or version.
        """
        versions = self.models.versions(spec.name)
        known = versions.statuses() if versions else {}
        if spec.HasField("version"):
            number = spec.version.value
            known = {number: known[number]} if number in known else {}
            if not known:
                raise Failure(StatusCode.NOT_FOUND, f"Could not find version {number} of model {spec.name}")
        if not known:
            raise Failure(StatusCode.NOT_FOUND, f"Could not find any versions of model {spec.name}")
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, version in known.items():
            status = response.model_version_status.add(version=number, state=version.state)
            status.status.error_code, status.status.error_message = version.code.value[0], version.text
        return response

    def metadata(
        self, spec: ModelSpec, fields: Sequence[str] = (SIGNATURES,)
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """The signatures of a version.

        Raises:
            Failure: it is not there, or something else is wanted.
        """
        if not fields:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in fields:
            if field != SIGNATURES:
                raise invalid(f"Metadata field {field} is not supported")
        found = get_model_metadata_pb2.SignatureDefMap()
        with self.models.use(spec) as (number, model):
            for name, signature in model.all_signatures.items():
                found.signature_def[name].CopyFrom(signature)
        response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=ModelSpec(name=spec.name))
        response.model_spec.version.value = number
        response.metadata[SIGNATURES].Pack(found)
        return response

    @contextlib.contextmanager
    def recorded(self, name: str, entry: str, api: str) -> Iterator[None]:
        """Count a request and its end; what was not foreseen is logged here and tells the client nothing.

        Raises:
            Failure: whatever happens.
        """
        begin, code = time.perf_counter(), StatusCode.CANCELLED
        try:
            yield
            code = StatusCode.OK
        except Failure as failure:
            code = failure.code
            raise
        except Exception as error:
            code = StatusCode.INTERNAL
            logger.exception("a %s request for %s failed", api or "status", name)
            raise Failure(code, "internal error; the server's log says more") from error
        finally:
            served = name if name in self.models.names else "unknown"  # requests cannot make up metrics
            self.metrics.record(served, (api, entry), code.name, time.perf_counter() - begin)

    def _offer(self, key: tuple[str, int], signature: str, tensors: tuple[Tensors, Tensors], ticket: str = "") -> None:
        """Have an answered request inspected, if they are."""
        if self.inspector:
            self.inspector.offer(key, signature, tensors, ticket)

    def _run(
        self, model: CppModel, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str] = ()
    ) -> dict[str, np.ndarray]:
        pixels = sum(pixels_of(value) for value in inputs.values())
        if pixels > self.max_pixels:
            text = (
                f"the request has {pixels} pixels, its sides rounded up to multiples of {SIDE_MULTIPLE}; "
                f"at most {self.max_pixels} are accepted (--max-pixels)"
            )
            raise Failure(StatusCode.INVALID_ARGUMENT, text, http=413)
        try:
            return model.run(signature, inputs, outputs)
        except SessionError as error:
            raise Failure(CODES[error.code], str(error)) from error


def _inspector(models: Models, gate: Gate) -> "Inspector":
    from n2n_tf.serving.inspector import Inspector  # and SciPy with it: a second that others need not wait for

    return Inspector(models, lambda: gate.quiet)
