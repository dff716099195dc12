"""The limit on the number of requests that a process handles at a time."""

import time
from collections.abc import Set

import structlog
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.platform.errors import Busy
from app.platform.http.limits import path_of

log = structlog.get_logger(__name__)

SECONDS = 10.0
"""The log says at most once in so many seconds that requests are refused."""


def concurrency_limit(limit: int | None, *, exclude: Set[str] = frozenset()) -> list[Middleware]:
    """Return the middleware that refuses further requests with 503; none without a limit."""
    return [Middleware(ConcurrencyLimitMiddleware, limit=limit, exclude=exclude)] if limit else []


class ConcurrencyLimitMiddleware:
    """Refuses requests while `limit` others are handled, before they cost anything, but not those of `exclude`.

    Streams of users and WebSockets do not count: they have a limit of their own. uvicorn's `limit_concurrency` counts
    them, and idle connections too, and refuses readiness checks.
    """

    def __init__(self, app: ASGIApp, *, limit: int, exclude: Set[str] = frozenset()) -> None:
        self._app = app
        self._limit = limit
        self._exclude = exclude
        self._handled: set[object] = set()
        self._refused = 0
        self._next_log = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or path_of(scope) in self._exclude:
            await self._app(scope, receive, send)
            return
        if len(self._handled) >= self._limit:
            self._note_refusal()
            message = "Too many requests at a time."
            raise Busy(message)
        request = object()
        self._handled.add(request)
        scope["state"]["leave"] = lambda: self._handled.discard(request)
        try:
            await self._app(scope, receive, send)
        finally:
            self._handled.discard(request)

    def _note_refusal(self) -> None:
        self._refused += 1
        now = time.monotonic()
        if now >= self._next_log:
            log.warning("concurrency_limit_reached", limit=self._limit, refused=self._refused)
            self._refused, self._next_log = 0, now + SECONDS
