"""A TCP proxy in front of PostgreSQL that can fall silent, or break its connections.

While it is silent it accepts what it gets, and forwards nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy import make_url


class SilentProxy:
    """Forwards until `silent` is set; connections stay open, as when a network drops packets."""

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self.url = url
        self.silent = False
        self.accepted = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SilentProxy"]:
        """Listen on a free port of the loopback interface."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = self._target.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        async with server:
            yield self
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connected(self) -> bool:
        """Return whether a client or the server still has a connection."""
        return bool(self._open)

    def lead_to(self, url: str) -> None:
        """Connect new clients to another server; connections that are open stay where they are."""
        self._target = make_url(url)

    def cut(self) -> None:
        """Break all connections, without a word."""
        for sink in self._open:
            sink.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            upstream = await asyncio.open_connection(self._target.host, self._target.port or 5432)
        except OSError:
            writer.close()
            return
        for source, sink in ((reader, upstream[1]), (upstream[0], writer)):
            task = asyncio.create_task(self._pump(source, sink, of_the_client=source is reader))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def forwards(self, *, of_the_client: bool) -> bool:  # noqa: ARG002 (for classes that are based on this one)
        """Return whether to forward what somebody has just sent."""
        return not self.silent

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, of_the_client: bool) -> None:
        self._open.add(sink)
        try:
            while data := await source.read(65_536):
                if self.forwards(of_the_client=of_the_client):
                    sink.write(data)
                    await sink.drain()
        except ConnectionError:
            pass
        finally:
            self._open.discard(sink)
            sink.close()
            with suppress(ConnectionError):
                await sink.wait_closed()
