"""Security headers for browsers."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The headers of the OWASP list (https://owasp.org/www-project-secure-headers/) that are right for every response.
_DEFAULTS = (
    # one year, in seconds
    (b"strict-transport-security", b"max-age=31536000"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    # responses of the API load nothing, and are never shown in a frame; pages have a policy of their own
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class SecurityHeadersMiddleware:
    """Adds the security headers that a response lacks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def add_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                missing = (header for header in _DEFAULTS if header[0] not in there)
                message["headers"] = [*message["headers"], *missing]
            await send(message)

        await self._app(scope, receive, add_headers)
