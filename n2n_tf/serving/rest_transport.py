"""One predict call over TensorFlow Serving's REST API."""

import base64
import http.client
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

import numpy as np

from n2n_tf.serving.bounded_http import within
from n2n_tf.serving.transport import ENVELOPE, ServingError, Target, again_if_unavailable

# How float32 and uint8 are written, and in how many characters at most; 9 digits tell each float from its neighbours.
FORMS = {"f": ("%.9g", 15), "u": ("%d", 3)}
ANSWER_CHARACTERS = 32  # of a value: a double's 24 digits, sign and exponent, with brackets around each
ERROR_BYTES = 2**16  # of an error's page that are read
SHOWN = 1000  # characters of what a server says that go into an error


class RestTransport:
    """TensorFlow Serving's REST API, column format."""

    sends_bytes = False  # tensors are text

    def __init__(self, target: Target):
        self._target = target
        place = f"/versions/{target.version}" if target.version is not None else ""
        place = f"/labels/{quote(target.label, safe='')}" if target.label is not None else place
        self._url = f"{target.url.rstrip('/')}/v1/models/{quote(target.model, safe='')}{place}:predict"

    @staticmethod
    def tensor_bytes(dtype: np.dtype, channels: int) -> int:
        """Of a pixel in a request, at most: digits and commas, its brackets, and a share of its row's."""
        return channels * (FORMS[dtype.kind][1] + 1) + 4

    @staticmethod
    def file_bytes(size: int) -> int:
        """Of a file of this size in a request."""
        return -(-size // 3) * 4

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
        files = value.dtype == object
        inputs = json.dumps([{"b64": base64.b64encode(each).decode()} for each in value]) if files else _text(value)
        body = f'{{"signature_name":{json.dumps(signature)},"inputs":{{{json.dumps(name)}:{inputs}}}}}'.encode()
        self._target.check_size(len(body))
        limit = ENVELOPE + (self.file_bytes(most) if files else ANSWER_CHARACTERS * most)
        answer = again_if_unavailable(lambda seconds: self._answer(body, seconds, limit), self._target.timeout)
        try:
            outputs = json.loads(answer)["outputs"]
            return _files(outputs) if files else _tensor(outputs, value.dtype)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise ServingError(f"{self._url}: no answer of TensorFlow Serving: {answer[:80]!r}") from error

    def close(self) -> None:
        """Nothing is kept open."""

    def _answer(self, body: bytes, seconds: float, limit: int) -> bytes:
        headers = {"Content-Type": "application/json", **self._target.headers}
        try:
            request = urllib.request.Request(self._url, body, headers)
            return within(seconds, lambda opener: self._read(opener, request, seconds, limit))
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)
            timeout = f"no answer within {self._target.timeout:g} s" if isinstance(cause, TimeoutError) else ""
            text = timeout or str(cause)[:SHOWN].strip()
            raise ServingError(f"{self._url}: {text}", isinstance(cause, ConnectionError)) from error

    def _read(
        self, opener: urllib.request.OpenerDirector, request: urllib.request.Request, seconds: float, limit: int
    ) -> bytes:
        try:
            with opener.open(request, timeout=seconds) as response:
                answer = response.read(limit + 1)
        except urllib.error.HTTPError as error:
            if place := error.headers.get("Location"):
                text = f"{self._url}: sends on to {place[:SHOWN]}, which is not followed; give the URL of a server"
                raise ServingError(text) from error
            raise ServingError(f"{error.code} {_said(error)[:SHOWN]}", error.code == 503) from error
        if len(answer) > limit:
            raise ServingError(f"{self._url}: the answer has more than the {limit} bytes of a correct one")
        return answer


def _said(error: urllib.error.HTTPError) -> str:
    """The error in a server's JSON body, or what else it sent."""
    try:
        text = error.read(ERROR_BYTES).decode(errors="replace")
        return str(json.loads(text)["error"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return text.strip() or error.reason
    except (OSError, http.client.HTTPException):
        return error.reason


def _text(value: np.ndarray) -> str:
    """Numbers [..., W, C] as nested lists in JSON; json.dumps would write the 17 digits of a double."""
    if value.ndim > 2:
        return f"[{','.join(map(_text, value))}]"
    pixel = f"[{','.join([FORMS[value.dtype.kind][0]] * value.shape[1])}]"
    return f"[{','.join([pixel] * value.shape[0])}]" % tuple(value.ravel().tolist())


def _files(outputs: Any) -> np.ndarray:
    return np.array([base64.b64decode(each["b64"], validate=True) for each in outputs], dtype=object)


def _tensor(outputs: Any, dtype: np.dtype) -> np.ndarray:
    """Nested lists of numbers, which an integer type must hold as they are."""
    found = np.array(outputs, dtype=object)
    if not {int, float}.issuperset(map(type, found.flat)):
        raise ValueError("lists of different lengths, or what is no number")
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = found.astype(np.float64)
        result = numbers.astype(dtype)
    if dtype.kind == "u" and not np.array_equal(result, numbers):
        raise ValueError(f"numbers that are no {dtype}")
    return result
