"""Security headers for browsers."""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.platform.http.middleware.sending import RawHeaders, Sending

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
        await self._app(scope, receive, Sending.through(send, _add))


def _add(headers: RawHeaders) -> None:
    there = dict(headers)
    headers += [header for header in _DEFAULTS if header[0] not in there]
