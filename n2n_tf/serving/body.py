"""The body of a request of the REST API."""

import asyncio
import zlib

from grpc import StatusCode
from starlette.requests import ClientDisconnect, Request

from n2n_tf.serving.failure import Failure, invalid

DRAINED = 2**26  # bytes of a body that are read although it is too large: who is still sending hears no answer


async def body_of(request: Request, limit: int) -> bytes:
    """The body, unpacked.

    Raises:
        Failure: it is larger than the limit, packed in another way than by gzip, or the client has left.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding not in ("identity", "gzip"):
        raise invalid(f"Content-Encoding {encoding} is not offered here: send the body as it is, or gzip")
    too_large = Failure(
        StatusCode.RESOURCE_EXHAUSTED, f"the request has more than {limit} bytes (--max-body)", http=413
    )
    length = int(request.headers.get("content-length", 0))
    if length > limit + DRAINED or (length > limit and "expect" in request.headers):
        raise too_large
    try:
        body = await _read(request, limit)
    except ClientDisconnect as error:
        raise Failure(StatusCode.CANCELLED, "the client is gone") from error
    if body is not None and encoding == "gzip":
        body = await asyncio.to_thread(_unpacked, body, limit + 1)
    if body is None or len(body) > limit:
        raise too_large
    return body


async def _read(request: Request, limit: int) -> bytes | None:
    """None if it is too large; even then it is read."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= limit:
            parts.append(part)
        elif size > limit + DRAINED:
            break
    return b"".join(parts) if size <= limit else None


def _unpacked(body: bytes, most: int) -> bytes:
    """A body in gzip, of which no more than this many bytes are unpacked."""
    try:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        result = unpacker.decompress(body, most)
        if not unpacker.eof and len(result) < most:
            raise zlib.error("it ends early")
        return result
    except zlib.error as error:
        raise invalid(f"the body is no gzip: {error}") from error
