"""TensorFlow Serving's REST API, and the page to try it."""

import asyncio
import html
import re
import secrets
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

from grpc import StatusCode
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap
from tensorflow_serving.apis.model_pb2 import ModelSpec

from n2n_tf.compat import to_json
from n2n_tf.config import ServeConfig
from n2n_tf.serving import metrics
from n2n_tf.serving.body import body_of
from n2n_tf.serving.failure import Failure, invalid
from n2n_tf.serving.origins import OwnOrigin, any_origin
from n2n_tf.serving.service import SIGNATURES, Service

MODEL = "/v1/models(?:/([^/:]+))?(?:/versions/([0-9]+)|/labels/([^/:]+))?"
CALL = re.compile(MODEL + ":(.*)", re.IGNORECASE)
LOOK = re.compile(MODEL + "(?:/(metadata))?", re.IGNORECASE)
PAGE = Path(__file__).parent / "page.html"
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src blob: data:; connect-src 'self'"
)
NO_PATH = re.compile("%(?![0-9a-fA-F]{2})|[^!-~]")
MOST_DIGITS = 19  # of a version, which is an int64
TICKET = "N2N-Inspection"  # header of an answer that is inspected: GET /inspections/TICKET tells what was found
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class RestApi:
    """The ASGI application.

    Args:
        service: answers.
        config: limits.
    """

    def __init__(self, service: Service, config: ServeConfig):
        self._service, self._most = service, config.max_body
        expose = [TICKET] if service.inspector else []
        self.app = Starlette(
            routes=[
                Route("/", self._page),
                Route("/healthz", self._health),
                Route(metrics.PATH, self._metrics, methods=["GET", "POST"]),
                *([Route("/inspections/{ticket}", self._inspection)] if service.inspector else []),
                Mount("", self._other),
            ],
            middleware=[any_origin(expose) if config.cors else Middleware(OwnOrigin)],
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
        return PlainTextResponse(self._service.metrics_page())

    async def _inspection(self, request: Request) -> Response:
        """What was found of a request, for who has its ticket, which nobody can guess."""
        told = self._service.inspector and self._service.inspector.told(request.path_params["ticket"])
        if not told:
            return JSONResponse({"error": "no inspection is known by this ticket; the oldest are forgotten"}, 404)
        return JSONResponse(told, headers={"Cache-Control": "no-store"})

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method not in METHODS:
            response: Response = _page_of(501)
        elif not (path := _path(request)).lower().startswith("/v1/"):
            response = _page_of(404)
        elif NO_PATH.search(path):
            response = _page_of(400)
        else:
            response = await self._v1(request)
        await response(scope, receive, send)

    async def _v1(self, request: Request) -> Response:
        try:
            with self._service.gate.entered():
                return await (self._call(request) if request.method == "POST" else self._look(request))
        except Failure as failure:
            if not str(failure):
                return Response(status_code=failure.http, media_type="application/json")
            return JSONResponse({"error": str(failure)}, failure.http)

    async def _look(self, request: Request) -> Response:
        spec, kind = _spec(LOOK, request)
        if not spec.name:
            raise invalid("Missing model name in request.")
        with self._service.recorded(spec.name, "REST", ""):
            return self._seen(spec, kind)

    def _seen(self, spec: ModelSpec, kind: str | None) -> Response:
        if kind != "metadata":  # in another case it is the status
            return Response(to_json(self._service.status(spec)), media_type="application/json")
        found, signatures = self._service.metadata(spec), SignatureDefMap()
        found.metadata[SIGNATURES].Unpack(signatures)
        parts = f'"model_spec":{to_json(found.model_spec)},\n"metadata": {{"signature_def": {to_json(signatures)}}}'
        return Response(f"{{\n{parts}\n}}\n", media_type="application/json")

    async def _call(self, request: Request) -> Response:
        spec, kind = _spec(CALL, request)
        if kind in ("classify", "regress"):
            raise invalid(
                f"{kind} is not offered here: a denoiser is called by predict"
            )  # 400, as for a model without it
        if kind != "predict" or not spec.name:
            raise _malformed(request)
        with self._service.recorded(spec.name, "REST", "predict"):
            body = await self._service.gate.arrived(body_of(request, self._most))
            ticket = secrets.token_urlsafe(16) if self._service.inspector else ""
            answer = await self._worked(request, lambda: self._service.predict_json(spec, body, ticket))
        return Response(answer, media_type="application/json", headers={TICKET: ticket} if ticket else None)

    async def _worked(self, request: Request, call: Callable[[], bytes]) -> bytes:
        """What is not begun when the client leaves is not done."""
        work = asyncio.create_task(self._service.gate.work(call))
        watch = asyncio.create_task(_gone(request))
        watch.add_done_callback(lambda _: work.cancel())
        try:
            return await work
        except asyncio.CancelledError as error:
            if not work.cancelled() or not watch.done():
                raise  # this task was
            raise Failure(StatusCode.CANCELLED, "the client is gone") from error
        finally:
            watch.cancel()


def _page_of(status: int) -> Response:
    """What TensorFlow Serving answers to what is none of its API."""
    said = HTTPStatus(status).phrase
    page = f"<HTML><HEAD>\n<TITLE>{status} {said}</TITLE>\n</HEAD><BODY>\n<H1>{said}</H1>\n</BODY></HTML>\n"
    return Response(page, status, media_type="text/html")


def _path(request: Request) -> str:
    """As it was sent, the query with it: TensorFlow Serving knows none."""
    query = request.scope["query_string"]
    return (request.scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1")


def _malformed(request: Request) -> Failure:
    return invalid(f"Malformed request: {request.method} {_path(request)}")


def _spec(form: re.Pattern[str], request: Request) -> tuple[ModelSpec, str | None]:
    """Which model a path names, and what of it."""
    found = form.fullmatch(_path(request))
    if not found or request.method not in ("GET", "POST"):
        raise _malformed(request)
    name, version, label, kind = found.groups()
    spec = ModelSpec(name=unquote(name or ""))
    if version:
        digits = version.lstrip("0") or "0"
        if len(digits) > MOST_DIGITS or int(digits) >= 2**63:
            raise invalid("")  # as TensorFlow Serving answers it
        spec.version.value = int(digits)
    if label:
        spec.version_label = unquote(label)
    return spec, kind


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
