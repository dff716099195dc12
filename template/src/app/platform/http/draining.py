"""A server that is drained before it stops: it answers all requests while balancers learn that it will be gone."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from types import FrameType
from typing import Any

import structlog
import uvicorn

from app.platform import ending
from app.platform.context import stopping
from app.platform.http.connection import Connection

log = structlog.get_logger(__name__)

_CLOSE = (b"connection", b"close")
_ACCEPTED_SECONDS = 0.1
"""For requests on the connections that were accepted last; a proxy sends them at once."""


class Config(uvicorn.Config):
    """uvicorn's configuration, and the seconds that a drain takes."""

    def __init__(self, app: Any, *, drain: float, **options: Any) -> None:
        super().__init__(app, **options)
        self.drain = drain


class Server(uvicorn.Server):
    """Stops some seconds after SIGTERM; SIGINT, or a second SIGTERM, stops it at once.

    During these seconds `/readyz` answers with 503, and every answer closes its connection. One that is `supervised`
    gets signals from its parent and from others, such as systemd or a terminal, so a repeated one changes nothing.

    One that is retired stops in the same way, but the service stays: other processes accept at its socket.
    """

    config: Config

    # picklable, because a server that is restarted after changes is given to another process
    def __init__(
        self, config: Config, *, supervised: bool = False, when_started: Callable[[], object] | None = None
    ) -> None:
        super().__init__(config)
        # the process is there for this server, and ends with it
        self._is_process = False
        self._supervised = supervised
        self._when_started = when_started
        self._asked = False
        self._retired = False
        self._end: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve; from the signal to stop, the process has a bound, unless code blocks the event loop."""
        self._is_process = True
        super().run(sockets)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal."""
        try:
            await super().serve(sockets)
        finally:
            self._end_within(ending.LAST_SECONDS)

    def _end_within(self, seconds: float) -> None:
        if self._is_process:
            ending.end_within(seconds)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and call `when_started`."""
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        # the task of the lifespan, which begins here, sees it
        stopping.set(self._stopping)
        if self.should_exit:
            self._stopping.set()
        await super().startup(sockets)
        if self._when_started:
            self._when_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note that the drain has to begin, or that the server has to stop; the next tick does it.

        Raises:
            SystemExit: a worker still imports the service; it need not go on for seconds.
        """
        if self._supervised and not (self.started or self.config.loaded):
            sys.exit()
        if self._supervised and (self.should_exit or (self._asked and sig == signal.SIGTERM)):
            return
        if sig == signal.SIGTERM and self.config.drain and self.started and not (self._asked or self.should_exit):
            self._asked = True
        else:
            super().handle_exit(sig, frame)
            if self._loop and self._stopping:
                # a signal handler may run anywhere
                self._loop.call_soon_threadsafe(self._stop_starting)

    def _stop_starting(self) -> None:
        if self._stopping:
            self._stopping.set()
        if not self.started:
            self._end_within(ending.CLOSING_SECONDS)

    def retire(self) -> None:
        """Note that other processes take the place of this one; the next tick does it. Any thread may call it."""
        self._retired = True

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop; uvicorn asks ten times a second."""
        ends = await super().on_tick(counter)
        if ends or not (self._asked or self._retired):
            return ends
        if self._end is None:
            self._end = time.monotonic() + self.config.drain
            self._close_connections()
        # one can come after the other
        if self._retired:
            for server in self.servers:
                server.close()
        resources = self.lifespan.state.get("resources")
        if self._asked and resources:
            resources.draining = True
        if time.monotonic() >= self._end:
            # another SIGINT means from here on: do not wait for open requests
            self.should_exit = True
        return self.should_exit

    def _close_connections(self) -> None:
        """Let each connection end after its next answer."""
        fields = {"seconds": self.config.drain, "connections": len(self.server_state.connections)}
        if self._retired:
            log.info("retiring", **fields)
        else:
            log.info("draining", **fields)
        # uvicorn puts them into all answers; it makes the second list of the first one once a second
        self.config.encoded_headers = [*self.config.encoded_headers, _CLOSE]
        self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
        for connection in self.server_state.connections:
            if isinstance(connection, Connection):
                connection.drain()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, answer what has arrived by then, and end.

        With the socket the kernel resets what it has accepted and this process has not: a proxy that is not told of the
        drain would answer 502, because it does not repeat a write.
        """
        loop = asyncio.get_running_loop()
        for connection in [each for server in self.servers for each in _close(server, self.config.backlog)]:
            await loop.connect_accepted_socket(self._protocol, connection)
        await asyncio.sleep(_ACCEPTED_SECONDS)
        self._end_within((self.config.timeout_graceful_shutdown or 0) + ending.CLOSING_SECONDS)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        """Return what uvicorn gives each connection."""
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=asyncio.get_running_loop(),
        )
        return protocol


def _close(server: asyncio.Server, most: int) -> Iterator[socket.socket]:
    """Close the sockets at which a server accepts, and yield the connections that only the kernel has accepted.

    The event loop is not asked for them: uvloop accepts one in each turn.
    """
    with ExitStack() as stack:
        copies = [stack.enter_context(socket.socket(fileno=os.dup(each.fileno()))) for each in server.sockets]
        for listener in copies:
            listener.setblocking(False)
            # until there are none, or no file descriptor is left
            with suppress(OSError):
                for _ in range(most):
                    connection, _address = listener.accept()
                    connection.setblocking(False)
                    yield connection
        server.close()
