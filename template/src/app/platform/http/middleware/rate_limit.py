"""The limit on the rate of requests."""

from collections.abc import Set
from uuid import UUID

from limits import RateLimitItem
from starlette.types import ASGIApp, Receive, Scope, Send

from app.platform.context import actor
from app.platform.errors import RateLimited
from app.platform.http.limits import MarkedRoutes, path_of
from app.platform.http.middleware.client import client_of
from app.platform.http.middleware.sending import RawHeaders, Sending
from app.platform.http.problems import problem
from app.platform.rate_limits import RateLimiter, RateLimitResult


class RateLimitMiddleware:
    """Limits requests, WebSockets too, per user, or per client address without a user.

    Requests to each of the routes in `strict` have a limit of their own, `strict_limit`, always per address.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: RateLimitItem,
        strict: MarkedRoutes,
        strict_limit: RateLimitItem,
        exclude: Set[str] = frozenset(),
    ) -> None:
        self._app = app
        self._limit = limit
        self._strict = strict
        self._strict_limit = strict_limit
        self._exclude = exclude

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "lifespan" or path_of(scope) in self._exclude:
            await self._app(scope, receive, send)
            return
        result = await self._hit(scope)
        if scope["type"] == "websocket":
            if not result.allowed:
                raise RateLimited(result.reset_after)
            await self._app(scope, receive, send)
            return

        def add_headers(headers: RawHeaders) -> None:
            headers += [
                (b"x-ratelimit-limit", b"%d" % result.limit),
                (b"x-ratelimit-remaining", b"%d" % result.remaining),
                (b"x-ratelimit-reset", b"%d" % result.reset_after),
            ]

        answer = self._app if result.allowed else problem(RateLimited(result.reset_after))
        await answer(scope, receive, Sending.through(send, add_headers))

    async def _hit(self, scope: Scope) -> RateLimitResult:
        limiter: RateLimiter = scope["state"]["resources"].limiter
        if route := self._strict.find(scope):
            return await limiter.hit(self._strict_limit, f"{route}:{client_of(scope).limit_key}")
        caller = actor.get()
        key = f"user:{caller.text}" if caller else f"address:{client_of(scope).limit_key}"
        return await limiter.hit(self._limit, key)


def user_key(user: UUID) -> str:
    """Return the key under which the requests of a user are counted."""
    return f"user:{user}"
