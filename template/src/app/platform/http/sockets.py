"""WebSockets that exchange JSON documents with a user's client."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import structlog
from fastapi import WebSocket
from pydantic import BaseModel, ValidationError
from starlette.websockets import WebSocketState

from app.platform.json_errors import first_errors, shorten
from app.platform.rate_limits import RateLimitResult
from app.platform.streams import Stream

log = structlog.get_logger(__name__)

SUBPROTOCOL = "bearer"
"""Browsers cannot send an Authorization header with a WebSocket: they offer this subprotocol, and then the token."""

IDLE_SECONDS = 60.0
"""How long a client may say nothing."""

_GOING_AWAY = 1001
_UNSUPPORTED_DATA = 1003
_INVALID_DATA = 1007
# registered after RFC 6455
_TRY_AGAIN_LATER = 1013
# of a frame that closes a WebSocket (RFC 6455, section 5.5), in bytes
_LONGEST_REASON = 123

ModelT = TypeVar("ModelT", bound=BaseModel)


class Socket:
    """A WebSocket. Call `accept` once the caller may have it; before that, errors refuse it with their status."""

    def __init__(self, socket: WebSocket, stream: Stream, count: Callable[[], Awaitable[RateLimitResult]]) -> None:
        self._socket = socket
        self._stream = stream
        self._count = count

    async def accept(self) -> None:
        """Accept the connection."""
        offered = self._socket.scope.get("subprotocols", ())
        await self._socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)

    async def received(self, model: type[ModelT], *, idle: float = IDLE_SECONDS) -> AsyncIterator[ModelT]:
        """Yield the client's messages until it leaves, says nothing for `idle` seconds, or the stream has to end.

        A message that is no document of this model closes the connection with the reason. A message has at most
        `HTTP_MAX_BODY_BYTES`, and counts like a request for `HTTP_RATE_LIMIT`.
        """
        while (message := await self._next(idle)) is not None:
            text = message.get("text")
            if text is None:
                await self.close(_UNSUPPORTED_DATA, "Send text.")
                return
            try:
                document = model.model_validate_json(text)
            except ValidationError as error:
                await self.close(_INVALID_DATA, _reason(error))
                return
            yield document

    async def send(self, document: BaseModel) -> None:
        """Send a document. A client that does not read is disconnected after a minute, or when the stream has to end.

        Raises:
            WebSocketDisconnect: the client has left.
        """
        await self._socket.send_text(document.model_dump_json())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, unless it is closed already."""
        states = (self._socket.application_state, self._socket.client_state)
        if all(state is WebSocketState.CONNECTED for state in states):
            await self._socket.close(code, reason.encode()[:_LONGEST_REASON].decode(errors="ignore"))

    async def _next(self, idle: float) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(min(idle, self._stream.seconds_left)):
                message = dict(await self._socket.receive())
        except TimeoutError:
            await self.close(_GOING_AWAY, "Connect again.")
            return None
        return message if message["type"] == "websocket.receive" and await self._counted() else None

    async def _counted(self) -> bool:
        result = await self._count()
        if not result.allowed:
            log.info("messages_limited", limit=result.limit, reset_after=result.reset_after)
            await self.close(_TRY_AGAIN_LATER, f"Too many messages: try again in {result.reset_after} s.")
        return result.allowed


def _reason(error: ValidationError) -> str:
    first = first_errors(error).errors(include_input=False, include_url=False, include_context=False)[0]
    where = shorten(".".join(map(str, first["loc"]))) or "document"
    return f"{where}: {first['msg']}"
