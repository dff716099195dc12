"""Clients of WebSockets and of server-sent events, in this process. Tests that use them need the marker `commits`."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import Message

PATIENCE = 30


class Conversation:
    """The messages between a test and the application."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.outgoing: asyncio.Queue[Message] = asyncio.Queue()
        self.left = False

    async def deliver(self, message: Message) -> None:
        """Take a message of the application; raise as uvicorn does when the client of a WebSocket has left."""
        if self.left and message["type"].startswith("websocket."):
            raise OSError
        await self.outgoing.put(message)

    async def next(self) -> Message:
        """Return the application's next message."""
        async with asyncio.timeout(PATIENCE):
            return await self.outgoing.get()


class ClientSocket(Conversation):
    """The client's side of a WebSocket."""

    subprotocol: str | None = None

    async def send(self, document: object) -> None:
        """Send a document as JSON, or text as it is."""
        text = document if isinstance(document, str) else json.dumps(document)
        await self.incoming.put({"type": "websocket.receive", "text": text})

    async def received(self) -> Any:
        """Return the next document."""
        message = await self.next()
        assert message["type"] == "websocket.send", message
        return json.loads(message["text"])

    async def closed(self) -> tuple[int, str]:
        """Return the code and the reason of the application's close."""
        message = await self.next()
        assert message["type"] == "websocket.close", message
        return message["code"], message.get("reason") or ""


@asynccontextmanager
async def connected(
    app: FastAPI, state: Mapping[str, Any], path: str, headers: Mapping[str, str], *subprotocols: str
) -> AsyncIterator[ClientSocket]:
    """Open a WebSocket, and let the client leave at the end of the block."""
    socket = ClientSocket()
    scope = {"type": "websocket", "subprotocols": list(subprotocols), "extensions": {"websocket.http.response": {}}}
    await socket.incoming.put({"type": "websocket.connect"})
    async with _running(app, state, socket, scope | _request(path, headers), "websocket.disconnect"):
        answer = await socket.next()
        assert answer["type"] == "websocket.accept", (answer, await socket.next())
        socket.subprotocol = answer.get("subprotocol")
        yield socket


@asynccontextmanager
async def listening(
    app: FastAPI, state: Mapping[str, Any], path: str, headers: Mapping[str, str]
) -> AsyncIterator[AsyncIterator[Any]]:
    """Yield the documents of server-sent events, and let the client leave at the end of the block."""
    talk = Conversation()
    await talk.incoming.put({"type": "http.request", "body": b""})
    scope = {"type": "http", "method": "GET", "http_version": "1.1", "scheme": "http"}
    async with _running(app, state, talk, scope | _request(path, headers), "http.disconnect"):
        answer = await talk.next()
        assert answer["status"] == 200, (answer, await talk.next())
        yield _documents(talk)


def _request(path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {"path": path, "query_string": b"", "headers": encoded, "client": ("192.0.2.1", 1), "root_path": ""}


@asynccontextmanager
async def _running(
    app: FastAPI, state: Mapping[str, Any], talk: Conversation, scope: dict[str, Any], leaves: str
) -> AsyncIterator[None]:
    running = asyncio.ensure_future(app(scope | {"state": dict(state)}, talk.incoming.get, talk.deliver))
    try:
        yield
    finally:
        talk.left = True
        await talk.incoming.put({"type": leaves, "code": 1001})
        async with asyncio.timeout(PATIENCE):
            await running


async def _documents(talk: Conversation) -> AsyncIterator[Any]:
    more = True
    while more:
        message = await talk.next()
        more = message.get("more_body", False)
        for line in message["body"].decode().splitlines():
            if line.startswith("data:"):
                yield json.loads(line.removeprefix("data:"))
