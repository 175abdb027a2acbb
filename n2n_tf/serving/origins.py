"""Which web pages may ask the REST API."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

SHOWN = 200  # characters of an origin in an error


def any_origin(expose: Sequence[str] = ()) -> Middleware:
    """Lets all pages in; `expose` are headers of answers that they may read."""
    return Middleware(
        CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["*"], expose_headers=expose
    )


class OwnOrigin:
    """ASGI middleware: refuses what a web page of another origin asks.

    A browser sends a page's request to any address that the browser's machine reaches, 127.0.0.1 among them, and only
    keeps the answer from the page. It says whose page it is in the header Origin; other clients send none.

    Args:
        app: gets all other requests.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers, app = Headers(scope=scope), self._app
        origin = headers.get("origin")
        if origin is not None and not _is_own(origin, headers.get("host", "")):
            text = (
                f"this is a request of a web page of another origin, {origin[:SHOWN]}; only the server's own page may "
                "ask. If pages of any origin shall, start it with --cors"
            )
            app = JSONResponse({"error": text}, 403, {"Access-Control-Allow-Origin": "*"})  # the page may read why
        await app(scope, receive, send)


def _is_own(origin: str, host: str) -> bool:
    """Host and port alike; not the scheme, since a proxy in front may add TLS."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower() != ""
