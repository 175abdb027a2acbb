"""What a request can fail with."""

from grpc import StatusCode

CODES = {code.value[0]: code for code in StatusCode}  # TensorFlow's error codes are gRPC's
HTTP_STATUS = {  # as TensorFlow Serving has it, model_servers/http_server.cc
    StatusCode.OK: 200,
    StatusCode.CANCELLED: 499,
    StatusCode.UNKNOWN: 500,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.DEADLINE_EXCEEDED: 504,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.ABORTED: 409,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.INTERNAL: 500,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DATA_LOSS: 500,
    StatusCode.UNAUTHENTICATED: 401,
}


class Failure(Exception):  # noqa: N818 - most are the client's mistakes
    """A request that is answered by a status and a text.

    Attributes:
        code: gRPC's.
        http: the HTTP status, where it is not the code's own.
    """

    def __init__(self, code: StatusCode, text: str, http: int | None = None):
        super().__init__(text.encode(errors="backslashreplace").decode())  # it quotes what may be no UTF-8
        self.code = code
        self.http = http or HTTP_STATUS[code]


def invalid(text: str) -> Failure:
    """The client's mistake."""
    return Failure(StatusCode.INVALID_ARGUMENT, text)
