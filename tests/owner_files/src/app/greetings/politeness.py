"""A word with every response."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Politeness:
    """Adds a header."""

    def __init__(self, app: ASGIApp, *, word: str) -> None:
        self._app = app
        self._word = word.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""

        async def add_word(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-greeting", self._word)]
            await send(message)

        await self._app(scope, receive, add_word)
