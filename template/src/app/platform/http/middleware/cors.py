"""CORS: Starlette's middleware, with problem documents for refused preflights."""

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.platform.http.errors import PreflightRefused
from app.platform.http.middleware.sending import RawHeaders, Sending
from app.platform.http.problems import problem
from app.platform.json_errors import shorten

log = structlog.get_logger(__name__)

# they describe Starlette's body, not the problem document
_OF_THE_BODY = frozenset({"content-length", "content-type"})


class CorsMiddleware(CORSMiddleware):
    """Answers preflights itself, and adds CORS headers to all other responses.

    A refused preflight is logged, because its reason is often an origin that is missing in `HTTP_CORS_ORIGINS`.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        # without the objects that Starlette makes for each request, also for one that has no origin
        if scope["type"] == "http" and b"origin" not in dict(scope["headers"]):
            send = Sending.through(send, _add_vary)
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Return the answer to a preflight."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        reason = bytes(response.body).decode()
        log.info("preflight_refused", reason=reason, origin=shorten(request_headers["origin"]))
        refusal = problem(PreflightRefused(f"{reason}."))
        refusal.headers.update({name: each for name, each in response.headers.items() if name not in _OF_THE_BODY})
        return refusal


def _add_vary(headers: RawHeaders) -> None:
    if b"vary" in dict(headers):
        MutableHeaders(raw=headers).add_vary_header("Origin")
    else:
        headers.append((b"vary", b"Origin"))
