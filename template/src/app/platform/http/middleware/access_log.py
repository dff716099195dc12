"""The access log: one event for each request, without query string, headers and body, which may hold secrets."""

import time
from collections.abc import Set

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.platform.http.limits import path_of
from app.platform.http.middleware.client import client_of
from app.platform.http.middleware.routes import route_template
from app.platform.http.middleware.sending import Sending

log = structlog.get_logger("access")

# the statuses from here on are failures of the service
FIRST_OF_SERVER = 500


class AccessLogMiddleware:
    """Logs requests when they end, WebSockets too: method, route, status, duration in milliseconds, client.

    The logger adds request id and user id.
    """

    def __init__(self, app: ASGIApp, *, exclude: Set[str] = frozenset()) -> None:
        self._app = app
        self._exclude = exclude
        # the lazy logger makes one of these for each line
        self._log = log.bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan" or path_of(scope) in self._exclude:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        sending = Sending.through(send) if scope["type"] == "http" else _SocketSending(send)
        try:
            await self._app(scope, receive, sending)
        finally:
            # whoever is on call looks for them
            write = self._log.warning if sending.status >= FIRST_OF_SERVER else self._log.info
            write(
                "request",
                method=scope.get("method", "WEBSOCKET"),
                route=route_template(scope),
                status=sending.status,
                duration_ms=round((time.perf_counter() - started) * 1000, 1),
                client=client_of(scope).address,
            )


class _SocketSending:
    """Remembers the status of a WebSocket's handshake."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        match message["type"]:
            case "websocket.http.response.start":
                self.status = message["status"]
            case "websocket.accept":
                self.status = 101
            case "websocket.close":
                # the server answers 403 when the connection was not accepted
                self.status = self.status or 403
        await self._send(message)
