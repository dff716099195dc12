"""uvicorn's protocols: problem documents for requests that cannot be parsed, and the end of streams at a stop."""

import logging
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidHandshake, InvalidHeader
from websockets.http11 import Request

from app.platform.http.connection import Connection
from app.platform.json_errors import shorten

log = structlog.get_logger(__name__)

_LOGGED_BY_US = (
    "Invalid HTTP request received.",
    "Invalid UTF-8 sequence received from client.",
    "connection rejected",
    # uvicorn says so of each WebSocket that is refused with a response
    "ASGI callable returned without completing handshake.",
)


class ProblemHttpProtocol(Connection, HttpToolsProtocol):
    """Answers malformed HTTP with status 400, a request id and one log line, and closes the connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # adding the same filter again does nothing
        self.logger.addFilter(_is_new)

    def drain(self) -> None:
        """Close the connection after its request, unless the client has got the headers that do not say so."""
        if self.cycle and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Let the streams of the process end, and the connection after its request."""
        self.end_streams()
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Send the answer; `msg` is uvicorn's reason."""
        self.refuse(msg)


class ProblemWebSocketProtocol(Connection, WebSocketsSansIOProtocol):
    """Answers malformed handshakes like malformed HTTP, and logs messages that are no WebSocket messages."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # during a drain `Connection: close` is among them, beside the `Connection: Upgrade` of the handshake
        self.default_headers = [header for header in self.default_headers if header[0] != b"connection"]

    def shutdown(self) -> None:
        """Let the streams of the process end, and the connection."""
        self.end_streams()
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Handle what the client has sent."""
        super().data_received(data)
        # uvicorn does not answer what `websockets` cannot read, such as a header of 10 kB
        if self.conn.handshake_exc and not self.handshake_initiated:
            self._refuse_handshake(self.conn.handshake_exc)

    def handle_connect(self, event: Request) -> None:
        """Begin the connection, if the handshake is valid."""
        try:
            self.conn.process_request(event)
        except InvalidHandshake as error:
            self._refuse_handshake(error)
        else:
            super().handle_connect(event)

    def handle_parser_exception(self) -> None:
        """Log why the connection ends, such as a too long message, or a text that is not UTF-8."""
        if closed := self.conn.close_sent:
            log.info("malformed_message", code=closed.code, reason=closed.reason, client=self.client_address)
        super().handle_parser_exception()

    def _refuse_handshake(self, error: Exception) -> None:
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        # the text of an error quotes the header, which may be a token
        reason = f"invalid {error.name}" if isinstance(error, InvalidHeader) else shorten(str(error))
        # of the protocol that is spoken here (RFC 6455, section 4.4)
        self.refuse(f"The WebSocket handshake is not valid: {reason}.", **{"Sec-WebSocket-Version": "13"})


def _is_new(record: logging.LogRecord) -> bool:
    """Drop uvicorn's lines about refusals that are logged here, and those with the query strings of WebSockets."""
    text = str(record.msg)
    return not text.startswith(_LOGGED_BY_US) and '"WebSocket %s"' not in text
