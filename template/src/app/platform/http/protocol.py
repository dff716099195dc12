"""uvicorn's HTTP protocol: problem documents for requests that cannot be parsed, and the end of streams at a stop."""

import logging
from typing import Any
from uuid import uuid4

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.platform.context import request_id
from app.platform.http.errors import Malformed
from app.platform.http.problems import problem

log = structlog.get_logger(__name__)

_LOGGED_BY_US = (
    "Invalid HTTP request received.",
    "connection rejected",
    # uvicorn says so of each WebSocket that is refused with a response
    "ASGI callable returned without completing handshake.",
)


class ProblemHttpProtocol(HttpToolsProtocol):
    """Answers malformed HTTP with status 400, a request id and one log line, and closes the connection.

    No middleware sees such requests.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # adding the same filter again does nothing
        self.logger.addFilter(_is_new)

    def shutdown(self) -> None:
        """Let the streams of the process end: uvicorn waits for the open requests of all connections."""
        if resources := self.app_state.get("resources"):
            resources.streams.end()
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Send the answer; `msg` is uvicorn's reason."""
        # requests on one connection share a context
        token = request_id.set(uuid4().hex)
        try:
            client = self.client[0] if self.client else None
            log.info("malformed_request", reason=msg, status=Malformed.status, client=client)
            self.transport.write(_response(msg, request_id.get() or ""))
        finally:
            request_id.reset(token)
        self.transport.close()


def _response(message: str, given_id: str) -> bytes:
    answer = problem(Malformed(message))
    answer.headers.update({"X-Request-ID": given_id, "Connection": "close"})
    lines = [b"HTTP/1.1 400 Bad Request", *(b"%s: %s" % header for header in answer.raw_headers)]
    return b"\r\n".join([*lines, b"", bytes(answer.body)])


def _is_new(record: logging.LogRecord) -> bool:
    """Drop uvicorn's lines about refusals that are logged here, and those with the query strings of WebSockets."""
    text = str(record.msg)
    return not text.startswith(_LOGGED_BY_US) and '"WebSocket %s"' not in text
