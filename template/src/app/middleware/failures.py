"""The place where bugs become 500s: inside the middleware that adds request id, CORS and security headers.

A handler for `Exception` would run outside all of them, in Starlette's outermost middleware.
"""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import internal_problem, problem
from app.errors import AppError

log = structlog.get_logger(__name__)


class Failures:
    """Answers what no handler of the routes caught: a problem for an `AppError` of the middleware, 500 for a bug."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except AppError as error:
            if started:
                raise
            await problem(error)(scope, receive, send)
        except Exception:
            log.exception("unexpected_error")
            # half a response cannot be taken back: the server closes the connection
            if started:
                raise
            await internal_problem()(scope, receive, send)
