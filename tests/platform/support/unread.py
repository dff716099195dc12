"""uvicorn in this process, and clients that send requests and read nothing of the answers."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from app.platform.http.draining import Config, Server
from app.platform.http.protocol import ProblemHttpProtocol, ProblemWebSocketProtocol

PATIENCE = 30
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


class Served:
    """A running server."""

    def __init__(self, server: Server, listener: socket.socket) -> None:
        self._server = server
        self._address = listener.getsockname()
        self._running = asyncio.ensure_future(server.serve([listener]))

    def asked(self, path: str, headers: Mapping[str, str]) -> socket.socket:
        """Send a request, with a small buffer for its answer."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(self._address)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: service\r\n{lines}\r\n".encode())
        return client

    def terminate(self) -> None:
        """Do what SIGTERM does."""
        self._server.handle_exit(signal.SIGTERM, None)

    def retire(self) -> None:
        """Do what the parent of several workers does when others take the place of this one."""
        self._server.retire()

    @property
    def accepts(self) -> bool:
        """Whether it accepts connections."""
        return any(each.is_serving() for each in self._server.servers)

    @property
    def stops(self) -> bool:
        """Whether it has begun to stop."""
        return self._server.should_exit

    async def stop(self) -> None:
        """Stop as at SIGINT."""
        self._server.should_exit = True
        async with asyncio.timeout(PATIENCE):
            await self._running


@asynccontextmanager
async def serving(app: FastAPI, state: Mapping[str, Any], *, drain: float = 0.0) -> AsyncIterator[Served]:
    """Serve the application on a port of its own."""
    config = Config(
        app,
        drain=drain,
        http=ProblemHttpProtocol,
        ws=ProblemWebSocketProtocol,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=2 * PATIENCE,
    )
    server = Server(config)
    listener = socket.socket()
    # the connections have it, too; a large buffer would hide for long that a client reads
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    listener.bind(("127.0.0.1", 0))
    served = Served(server, listener)
    try:
        await until(lambda: server.started)
        server.lifespan.state.update(state)
        yield served
    finally:
        await served.stop()


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 (the server has no event for it)
            await asyncio.sleep(0.01)
