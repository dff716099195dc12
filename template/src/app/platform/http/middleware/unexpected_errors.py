"""The place where bugs become 500s: inside the middleware that adds request id, CORS and security headers.

A handler for `Exception` would run outside all of them, in Starlette's outermost middleware.
"""

from contextlib import suppress

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.platform.errors import AppError
from app.platform.http.errors import ClientLeft
from app.platform.http.problems import internal_problem, problem

log = structlog.get_logger(__name__)


class UnexpectedErrorMiddleware:
    """Answers what no handler of the routes caught: a problem for an `AppError` of the middleware, 500 for a bug.

    A client that leaves is no bug: the access log and the metrics say 499, or the status that was already sent.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        delivery = _Delivery(send)
        try:
            await self._app(scope, receive, delivery.send)
        except AppError as error:
            if delivery.started:
                raise
            await problem(error)(scope, receive, send)
        except Exception as error:
            if delivery.client_left(error):
                if not delivery.started:
                    await _note_client_left(scope, receive, send)
                return
            log.exception("unexpected_error")
            # half a response cannot be taken back: the server closes the connection
            if delivery.started:
                raise
            await internal_problem()(scope, receive, send)


class _Delivery:
    """Sends a response, and notes whether it began and whether the server could not send it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._failed = False
        self.started = False

    async def send(self, message: Message) -> None:
        self.started = True
        try:
            await self._send(message)
        except OSError:
            self._failed = True
            raise

    def client_left(self, error: Exception) -> bool:
        if self._failed:
            return isinstance(error, OSError | ClientDisconnect)
        # Starlette also raises this in place of any OSError inside a streamed response, such as a lost database
        return isinstance(error, ClientDisconnect) and not isinstance(error.__context__, OSError)


async def _note_client_left(scope: Scope, receive: Receive, send: Send) -> None:
    # nobody receives this response, but the middleware around takes the status from it
    with suppress(OSError):
        await problem(ClientLeft())(scope, receive, send)
