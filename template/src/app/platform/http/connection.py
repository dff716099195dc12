"""What uvicorn's connections lack: an end for clients that do not read, and problems for malformed requests."""

import asyncio
from typing import Any
from uuid import uuid4

import structlog

from app.platform.context import request_id
from app.platform.errors import AppError
from app.platform.http.errors import Malformed
from app.platform.http.problems import problem

log = structlog.get_logger(__name__)


class Connection(asyncio.Protocol):
    """The part that HTTP and WebSockets share. Put it before uvicorn's class among the bases.

    A client that reads nothing for `patience` seconds, while data waits for it, is disconnected. Streams find
    `disconnect` in their state, and call it when they have to end.
    """

    patience = 60.0
    """In seconds, as nginx's `send_timeout`: what the kernel holds for a slow client counts as sent."""

    transport: asyncio.Transport
    client: tuple[str, int] | None
    connections: set[Any]
    app_state: dict[str, Any]
    _next_look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the requests of this connection the means to end it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "disconnect": self.disconnect}

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        self._stop_looking()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to look whether the client reads: much data waits for it."""
        super().pause_writing()
        self._look_later()

    def resume_writing(self) -> None:
        """Stop looking: the client has read."""
        self._stop_looking()
        super().resume_writing()

    def disconnect(self, reason: str) -> None:
        """End the connection without sending what waits; do nothing if it has ended."""
        if self in self.connections:
            log.info("client_disconnected", reason=reason, client=self.client_address)
            self.transport.abort()

    def drain(self) -> None:
        """Let the connection end after its request, if it can: the server will stop."""

    def end_streams(self) -> None:
        """Let the streams of the process end: uvicorn waits for the open requests of all connections."""
        if resources := self.app_state.get("resources"):
            resources.streams.end()

    def refuse(self, message: str, **headers: str) -> None:
        """Answer a request that no middleware sees with status 400 and one log line, and close the connection."""
        # requests on one connection share a context
        token = request_id.set(uuid4().hex)
        try:
            log.info("malformed_request", reason=message, status=Malformed.status, client=self.client_address)
            self.transport.write(_response(Malformed(message), headers))
        finally:
            request_id.reset(token)
        self.transport.close()

    @property
    def client_address(self) -> str | None:
        """The client's address for the log, if it has one."""
        return self.client[0] if self.client else None

    def _look_later(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._next_look = asyncio.get_running_loop().call_later(self.patience, self._look, waiting)

    def _look(self, waited: int) -> None:
        if self.transport.get_write_buffer_size() < waited:
            self._look_later()
        else:
            self.disconnect(f"The client has read nothing for {self.patience:g} s.")

    def _stop_looking(self) -> None:
        if self._next_look:
            self._next_look.cancel()
            self._next_look = None


def _response(error: AppError, headers: dict[str, str]) -> bytes:
    answer = problem(error)
    answer.headers.update(headers | {"X-Request-ID": request_id.get() or "", "Connection": "close"})
    lines = [b"HTTP/1.1 400 Bad Request", *(b"%s: %s" % header for header in answer.raw_headers)]
    return b"\r\n".join([*lines, b"", bytes(answer.body)])
