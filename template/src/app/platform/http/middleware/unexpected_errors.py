"""Answer bugs with status 500, inside the middleware that adds the request id, CORS headers and security headers.

An exception handler for `Exception` would run in Starlette's outermost middleware, so its answer would lack these.
"""

from contextlib import suppress

import structlog
from anyio import BrokenResourceError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from app.platform.errors import AppError
from app.platform.http.errors import ClientLeft
from app.platform.http.middleware import refused_websockets
from app.platform.http.middleware.sending import Sending
from app.platform.http.problems import internal_problem, problem

log = structlog.get_logger(__name__)


class UnexpectedErrorMiddleware:
    """Answers exceptions that no exception handler caught: an `AppError` of other middleware, and bugs.

    A client that disconnects is not a bug: the access log and the metrics show 499, or the status that was sent.
    `refused_websockets` does the same for WebSockets.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "websocket":
            await refused_websockets.call(self._app, scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        response = Sending.through(send)
        try:
            await self._app(scope, receive, response)
        except AppError as error:
            if response.started:
                raise
            await problem(error)(scope, receive, send)
        except Exception as error:
            if _client_left(response, error):
                if not response.started:
                    await _report_client_left(scope, receive, send)
                return
            log.exception("unexpected_error")
            # the response has started and cannot be replaced: let the server close the connection
            if response.started:
                raise
            await internal_problem()(scope, receive, send)


def _client_left(response: Sending, error: Exception) -> bool:
    if isinstance(error, ExceptionGroup):
        # FastAPI's event streams raise it when the client leaves while an event waits to be sent
        return response.started and error.split(BrokenResourceError)[1] is None
    if response.failed:
        return isinstance(error, OSError | ClientDisconnect)
    # Starlette also raises ClientDisconnect for any OSError in a streamed response, such as a lost database
    return isinstance(error, ClientDisconnect) and not isinstance(error.__context__, OSError)


async def _report_client_left(scope: Scope, receive: Receive, send: Send) -> None:
    # no client receives this response, but the outer middleware logs and counts its status
    with suppress(OSError):
        await problem(ClientLeft())(scope, receive, send)
