"""HEAD wherever there is GET (RFC 9110, section 9.3.2): Starlette does that for its own routes, FastAPI does not."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadMiddleware:
    """Handles HEAD like GET, and leaves out the body of the response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        scope["method"] = "GET"
        complete = False

        async def without_body(message: Message) -> None:
            nonlocal complete
            # the server and the middleware outside of this one look at the method again
            scope["method"] = "HEAD"
            if complete:
                return
            if message["type"] == "http.response.body":
                # the response ends here, so that a stream does as well, which might never end by itself
                complete = True
                message = {**message, "body": b"", "more_body": False}
            await send(message)

        try:
            await self._app(scope, receive, without_body)
        finally:
            scope["method"] = "HEAD"
