"""One predict call over TensorFlow Serving's REST or gRPC API."""

import base64
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

T = TypeVar("T")
ATTEMPTS = 4
FIRST_WAIT = 0.25  # seconds; doubled after each attempt
MESSAGE_BYTES = 2**30  # gRPC's own limit for what a client receives is 4 MB


class ServingError(RuntimeError):
    """The server refused, failed or did not answer; the text is its own where it gave one.

    Attributes:
        unavailable: whether trying again later can help.
    """

    def __init__(self, text: str, unavailable: bool = False):
        super().__init__(text)
        self.unavailable = unavailable


@dataclass(frozen=True)
class Target:
    """Which model is called, and how.

    Attributes:
        url: http://HOST:8501, https://HOST, grpc://HOST:8500 or grpcs://HOST.
        model: its name.
        version: a number; None is the highest one served.
        label: of a version, instead.
        timeout: seconds for one attempt.
        headers: sent with each request, for instance an API key.
    """

    url: str
    model: str = "n2n"
    version: int | None = None
    label: str | None = None
    timeout: float = 60.0
    headers: Mapping[str, str] = field(default_factory=dict)


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: another host would get the headers, an API key among them, and its answer be believed."""

    def redirect_request(self, *_: Any) -> None:
        """None: the redirect itself is the answer, an HTTPError."""


OPENER = urllib.request.build_opener(_Stay)


class Rest:
    """TensorFlow Serving's REST API, column format."""

    def __init__(self, target: Target):
        self._target = target
        place = f"/versions/{target.version}" if target.version is not None else ""
        place = f"/labels/{quote(target.label, safe='')}" if target.label is not None else place
        self._url = f"{target.url.rstrip('/')}/v1/models/{quote(target.model, safe='')}{place}:predict"

    def predict(self, signature: str, name: str, value: np.ndarray) -> np.ndarray:
        """Call a signature with one input and one output."""
        inputs = (
            [{"b64": base64.b64encode(each).decode()} for each in value] if value.dtype == object else value.tolist()
        )
        body = json.dumps({"signature_name": signature, "inputs": {name: inputs}}).encode()
        headers = {"Content-Type": "application/json", **self._target.headers}
        request = urllib.request.Request(self._url, body, headers)
        answer = again_if_unavailable(lambda: self._answer(request))
        try:
            outputs = json.loads(answer)["outputs"]
            if value.dtype == object:
                return np.array([base64.b64decode(each["b64"], validate=True) for each in outputs], dtype=object)
            return np.array(outputs, value.dtype)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise ServingError(f"{self._url}: no answer of TensorFlow Serving: {answer[:80]!r}") from error

    def close(self) -> None:
        """Nothing is kept open."""

    def _answer(self, request: urllib.request.Request) -> bytes:
        try:
            with OPENER.open(request, timeout=self._target.timeout) as response:
                return response.read()
        except urllib.error.HTTPError as error:
            if place := error.headers.get("Location"):
                text = f"{self._url}: sends on to {place}, which is not followed; give the URL of a server"
                raise ServingError(text) from error
            raise ServingError(f"{error.code} {_said(error)}", error.code == 503) from error
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)
            if isinstance(cause, TimeoutError):
                cause = f"no answer within {self._target.timeout:g} s"
            raise ServingError(f"{self._url}: {cause!s}", isinstance(cause, ConnectionError)) from error


class Grpc:
    """TensorFlow Serving's PredictionService."""

    def __init__(self, target: Target):
        self._target = target
        address, secure = urlsplit(target.url).netloc, urlsplit(target.url).scheme == "grpcs"
        options = [(f"grpc.max_{way}_message_length", MESSAGE_BYTES) for way in ("send", "receive")]
        self._channel = (
            grpc.secure_channel(address, grpc.ssl_channel_credentials(), options)
            if secure
            else grpc.insecure_channel(address, options)
        )
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def predict(self, signature: str, name: str, value: np.ndarray) -> np.ndarray:
        """Call a signature with one input and one output."""
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self._target.model, signature
        if self._target.version is not None:
            request.model_spec.version.value = self._target.version
        if self._target.label is not None:
            request.model_spec.version_label = self._target.label
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        answer = again_if_unavailable(lambda: self._answer(request))
        try:
            (output,) = answer.outputs.values()
            return tf.make_ndarray(output)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise ServingError(f"{self._target.url}: no answer of TensorFlow Serving: {error}") from error

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def _answer(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        metadata = [(name.lower(), value) for name, value in self._target.headers.items()]
        try:
            return self._stub.Predict(request, timeout=self._target.timeout, metadata=metadata)
        except grpc.RpcError as error:
            unavailable = error.code() == grpc.StatusCode.UNAVAILABLE
            raise ServingError(f"{error.code().name} {error.details()}", unavailable) from error


SCHEMES: dict[str, Callable[[Target], Rest | Grpc]] = {"http": Rest, "https": Rest, "grpc": Grpc, "grpcs": Grpc}


def again_if_unavailable(call: Callable[[], T]) -> T:
    """Call; where the server is unavailable try again, waiting longer each time. No other failure is repeated."""
    for attempt in range(ATTEMPTS - 1):
        try:
            return call()
        except ServingError as error:
            if not error.unavailable:
                raise
            time.sleep(FIRST_WAIT * 2**attempt)
    return call()


def _said(error: urllib.error.HTTPError) -> str:
    """The error in a server's JSON body, or what else it sent."""
    try:
        text = error.read().decode(errors="replace")
        return str(json.loads(text)["error"])
    except (ValueError, TypeError, KeyError):
        return text.strip() or error.reason
    except (OSError, http.client.HTTPException):
        return error.reason
