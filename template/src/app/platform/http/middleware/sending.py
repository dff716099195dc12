"""The sending side of a response, which the middleware of a request shares."""

from collections.abc import Callable

from starlette.types import Message, Send

RawHeaders = list[tuple[bytes, bytes]]


class Sending:
    """Sends a response: adds headers when it starts, and remembers its status and whether sending has failed.

    One for all middleware, because functions of their own around `send` cost 44 thousand instructions more, with CORS.
    """

    __slots__ = ("_send", "additions", "failed", "started", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.additions: list[Callable[[RawHeaders], None]] = []
        self.status = 0
        self.started = False
        self.failed = False

    @classmethod
    def through(cls, send: Send, add: Callable[[RawHeaders], None] | None = None) -> "Sending":
        """Return `send`, or what sends through it if other middleware has replaced it; `add` adds to the headers.

        The headers of the inner middleware come first, and the outer middleware sees them.
        """
        sending = send if isinstance(send, Sending) else cls(send)
        if add:
            sending.additions.append(add)
        return sending

    async def __call__(self, message: Message) -> None:
        """Send a message of the response."""
        self.started = True
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: RawHeaders = list(message.get("headers", ()))
            for add in reversed(self.additions):
                add(headers)
            message["headers"] = headers
        try:
            await self._send(message)
        except OSError:
            self.failed = True
            raise
