"""The duration of requests: a header for the client, a histogram for monitoring."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.platform import metrics
from app.platform.http.middleware.routes import method_label, route_template


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
        status = 0

        async def add_header(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                elapsed = b"%.1fms" % ((time.perf_counter() - started) * 1000)
                message["headers"] = [*message["headers"], (b"x-response-time", elapsed)]
            await send(message)

        try:
            await self._app(scope, receive, add_header)
        finally:
            metrics.HTTP_REQUEST_SECONDS.labels(method_label(scope), route_template(scope), status).observe(
                time.perf_counter() - started
            )
