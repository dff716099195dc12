"""A TCP proxy in front of PostgreSQL that counts round trips: how often the client sends and waits for a response."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class RoundTrips:
    """Counts round trips of all connections; several packets before the server responds count once."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.port = 0
        self.count = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["RoundTrips"]:
        """Listen on a free port of the loopback interface."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            # without waiting for connections that are still open
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection(*self._target)
        answered = True

        async def forth() -> None:
            nonlocal answered
            while data := await reader.read(65_536):
                self.count += answered
                answered = False
                upstream[1].write(data)
            upstream[1].close()

        async def back() -> None:
            nonlocal answered
            while data := await upstream[0].read(65_536):
                answered = True
                writer.write(data)
            writer.close()

        with suppress(ConnectionError, asyncio.CancelledError):
            await asyncio.gather(forth(), back())
