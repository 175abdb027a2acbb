"""TensorFlow Serving's REST API, and the page to try it."""

import asyncio
import html
import re
import threading
from concurrent.futures import Executor
from pathlib import Path
from urllib.parse import unquote

from grpc import StatusCode
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap
from tensorflow_serving.apis.model_pb2 import ModelSpec

from n2n_tf.compat import to_json
from n2n_tf.config import ServeConfig
from n2n_tf.serving import metrics
from n2n_tf.serving.failure import Failure, invalid
from n2n_tf.serving.service import SIGNATURES, Service

MODEL = "/v1/models(?:/([^/:]+))?(?:/versions/([0-9]+)|/labels/([^/:]+))?"
CALL = re.compile(MODEL + ":(classify|regress|predict)", re.IGNORECASE)
LOOK = re.compile(MODEL + "(?:/(metadata))?", re.IGNORECASE)
DRAINED = 2**26  # bytes of a body that are read although it is too large: who is still sending hears no answer
PAGE = Path(__file__).parent / "page.html"
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src blob: data:; connect-src 'self'"
)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class RestApi:
    """The ASGI application.

    Args:
        service: answers.
        config: limits.
        executor: threads that wait for their turn and work.
    """

    def __init__(self, service: Service, config: ServeConfig, executor: Executor):
        self._service, self._config, self._executor = service, config, executor
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/healthz", self._health),
                Route(metrics.PATH, self._metrics),
                Route("/v1/{rest:path}", self._v1, methods=METHODS),
            ]
        )

    async def _page(self, request: Request) -> Response:
        headers = {"Content-Security-Policy": PAGE_POLICY}
        name = html.escape(self._service.models.names[0])
        text = PAGE.read_text(encoding="utf-8").replace('value="n2n"', f'value="{name}"')
        return Response(text, media_type="text/html; charset=utf-8", headers=headers)

    async def _health(self, request: Request) -> Response:
        ready = self._service.models.ready() and not self._service.gate.closed
        return PlainTextResponse("ok" if ready else "not ready", 200 if ready else 503)

    async def _metrics(self, request: Request) -> Response:
        return PlainTextResponse(self._service.metrics.page())

    async def _v1(self, request: Request) -> Response:
        try:
            return await (self._call(request) if request.method == "POST" else self._look(request))
        except Failure as failure:
            return JSONResponse({"error": str(failure)}, failure.http)

    async def _look(self, request: Request) -> Response:
        spec, kind = _spec(LOOK, request)
        if not spec.name:
            raise invalid("Missing model name in request.")
        if not kind:
            return Response(to_json(self._service.status(spec)), media_type="application/json")
        found, signatures = self._service.metadata(spec), SignatureDefMap()
        found.metadata[SIGNATURES].Unpack(signatures)
        parts = f'"model_spec":{to_json(found.model_spec)},\n"metadata": {{"signature_def": {to_json(signatures)}}}'
        return Response(f"{{\n{parts}\n}}\n", media_type="application/json")

    async def _call(self, request: Request) -> Response:
        spec, kind = _spec(CALL, request)
        if kind != "predict":
            raise Failure(StatusCode.UNIMPLEMENTED, f"{kind} is not offered here; a denoiser is called by predict")
        with self._service.recorded(spec.name, "REST"), self._service.gate.place():
            body = await self._body(request)
            gone = threading.Event()
            watch = asyncio.create_task(_wait_until_gone(request, gone))
            try:
                loop = asyncio.get_running_loop()
                answer = await loop.run_in_executor(self._executor, self._predict, spec, body, gone)
            finally:
                watch.cancel()
                gone.set()  # or a request whose time is up would still be worked on
        return Response(answer, media_type="application/json")

    def _predict(self, spec: ModelSpec, body: bytes, gone: threading.Event) -> bytes:
        with self._service.gate.slot(lambda: not gone.is_set()):
            return self._service.predict_json(spec, body)

    async def _body(self, request: Request) -> bytes:
        """The request's body, within its limits of size and time."""
        limit, encoding = self._config.max_body, request.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise invalid(f"Content-Encoding {encoding} is not offered here: send the body as it is")
        too_large = Failure(
            StatusCode.RESOURCE_EXHAUSTED, f"the request has more than {limit} bytes (--max-body)", http=413
        )
        length = int(request.headers.get("content-length", 0))
        if length > limit + DRAINED or (length > limit and "expect" in request.headers):
            raise too_large
        parts: list[bytes] = []

        async def receive() -> None:
            size = 0
            async for part in request.stream():
                size += len(part)
                if size <= limit:
                    parts.append(part)
                elif size > limit + DRAINED:
                    break
            if size > limit:
                raise too_large

        try:
            await asyncio.wait_for(receive(), self._config.timeout)
        except asyncio.TimeoutError as error:
            text = f"the request did not arrive within {self._config.timeout:g} s"
            raise Failure(StatusCode.DEADLINE_EXCEEDED, text, http=408) from error
        except ClientDisconnect as error:
            raise Failure(StatusCode.CANCELLED, "the client is gone") from error
        return b"".join(parts)


def _spec(form: re.Pattern[str], request: Request) -> tuple[ModelSpec, str | None]:
    """Which model a path names, and what of it."""
    path = request.scope["raw_path"].decode("latin-1")
    found = form.fullmatch(path)
    if not found or request.method not in ("GET", "POST"):
        raise invalid(f"Malformed request: {request.method} {path}")
    name, version, label, kind = found.groups()
    spec = ModelSpec(name=unquote(name or ""))
    if version:
        if int(version) >= 2**63:
            raise invalid(f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(version)
    if label:
        spec.version_label = unquote(label)
    return spec, kind and kind.lower()


async def _wait_until_gone(request: Request, gone: threading.Event) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()
