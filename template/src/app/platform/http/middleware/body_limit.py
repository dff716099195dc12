"""The limit on the size of request bodies."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.platform.http.errors import TooLarge
from app.platform.http.limits import MarkedRoutes
from app.platform.settings import HttpSettings


class BodyLimitMiddleware:
    """Refuses bodies of more than `HTTP_MAX_BODY_BYTES`, by the Content-Length header and by counting received bytes.

    The routes in `large` accept `HTTP_MAX_IMPORT_BYTES`.
    """

    def __init__(self, app: ASGIApp, *, settings: HttpSettings, large: MarkedRoutes) -> None:
        self._app = app
        self._max_bytes = settings.max_body_bytes
        self._large = large
        self._large_bytes = settings.max_import_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._large_bytes if self._large.find(scope) else self._max_bytes
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > limit:
                raise _too_large(limit)
        received = 0

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                # an HTTPException, because FastAPI replaces other exceptions while it reads a body
                raise HTTPException(TooLarge.status, _too_large(limit).detail)
            return message

        await self._app(scope, count, send)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"At most {limit} bytes.")
