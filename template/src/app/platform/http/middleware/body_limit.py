"""The limits on the size of request bodies, and on the time that a client takes to send one."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.platform.http.errors import BodyTimeout, TooLarge
from app.platform.http.limits import MarkedRoutes
from app.platform.settings import HttpSettings


class BodyLimitMiddleware:
    """Refuses bodies of more than `HTTP_MAX_BODY_BYTES`, by the Content-Length header and by counting received bytes.

    The routes in `large` accept `HTTP_MAX_IMPORT_BYTES`. A body has to arrive within `HTTP_BODY_TIMEOUT`, and a longer
    one with `HTTP_BODY_MIN_RATE` on average: otherwise clients that send a byte now and then would fill the service.
    """

    def __init__(self, app: ASGIApp, *, settings: HttpSettings, large: MarkedRoutes) -> None:
        self._app = app
        self._max_bytes = settings.max_body_bytes
        self._large = large
        self._large_bytes = settings.max_import_bytes
        self._timeout = settings.body_timeout
        self._rate = settings.body_min_rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._large_bytes if self._large.find(scope) else self._max_bytes
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > limit:
                raise _too_large(limit)
        await self._app(scope, self._counted(receive, limit), send)

    def _counted(self, receive: Receive, limit: int) -> Receive:
        began = asyncio.get_running_loop().time()
        received = 0
        complete = False

        async def count() -> Message:
            nonlocal received, complete
            if complete:
                # the application waits for the client to leave
                return await receive()
            try:
                async with asyncio.timeout_at(began + self._timeout + received / self._rate):
                    message = await receive()
            except TimeoutError:
                # an HTTPException, because FastAPI replaces other exceptions while it reads a body
                raise HTTPException(BodyTimeout.status, BodyTimeout().detail, {"Connection": "close"}) from None
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > limit:
                raise HTTPException(TooLarge.status, _too_large(limit).detail)
            return message

        return count


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"At most {limit} bytes.")
