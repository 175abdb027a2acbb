"""What a predict call has in common over TensorFlow Serving's REST and gRPC APIs."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from n2n_tf.config import ServeConfig

T = TypeVar("T")
ATTEMPTS = 4
FIRST_WAIT = 0.25  # seconds; doubled after each attempt
LEAST_TIME = 1e-3  # seconds; 0 would mean not to wait at all
MESSAGE_BYTES = 2**30  # gRPC's own limit for what a client receives is 4 MB
ENVELOPE = 4096  # bytes of a message around its values, and of a PNG around its pixels, generously
MAX_BODY: int = ServeConfig.max_body


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
        timeout: seconds for one call, its further attempts and its answer included.
        headers: sent with each request, for instance an API key.
        max_body: bytes of a request that the server takes.
        max_answer: bytes of the largest correct answer.
    """

    url: str
    model: str = "n2n"
    version: int | None = None
    label: str | None = None
    timeout: float = 60.0
    headers: Mapping[str, str] = field(default_factory=dict)
    max_body: int = MAX_BODY
    max_answer: int = MESSAGE_BYTES

    def check_size(self, size: int) -> None:
        """Raise ValueError if a request of this many bytes is more than the server takes."""
        if size > self.max_body:
            raise ValueError(
                f"the request to {self.url} has {size} bytes, and max_body is {self.max_body}: send less, "
                "or raise it together with the server's own limit (n2n-tf serve --max-body)"
            )


def again_if_unavailable(call: Callable[[float], T], timeout: float) -> T:
    """Call; where the server is unavailable try again, waiting longer each time. No other failure is repeated.

    Args:
        call: is given the seconds that are left.
        timeout: seconds for all attempts together; none is begun, or waited for, after them.
    """
    end = time.monotonic() + timeout

    def call_again() -> T:
        return call(max(end - time.monotonic(), LEAST_TIME))

    for attempt in range(ATTEMPTS - 1):
        wait = FIRST_WAIT * 2**attempt
        try:
            return call_again()
        except ServingError as error:
            if not error.unavailable or time.monotonic() + wait >= end:
                raise
        time.sleep(wait)
    return call_again()
