"""The duration of requests: a header for the client, a histogram for monitoring."""

import time

from starlette.types import ASGIApp, Receive, Scope, Send

from app.platform import metrics
from app.platform.http.middleware.routes import method_label, route_template
from app.platform.http.middleware.sending import RawHeaders, Sending


class TimingMiddleware:
    """Adds `X-Response-Time` (time until the response starts), and observes the total time by route and status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        def add_header(headers: RawHeaders) -> None:
            headers.append((b"x-response-time", b"%.1fms" % ((time.perf_counter() - started) * 1000)))

        sending = Sending.through(send, add_header)
        try:
            await self._app(scope, receive, sending)
        finally:
            observed = metrics.http_request_seconds(method_label(scope), route_template(scope), sending.status)
            observed.observe(time.perf_counter() - started)
