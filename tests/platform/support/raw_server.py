"""A server that answers as no HTTP server should: byte by byte, with garbage, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

# what is done with a request; the connection is closed afterwards
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """Counts the requests, and answers each of them with the next of the answers; the last one is repeated."""

    def __init__(self, answers: tuple[Answer, ...]) -> None:
        self.url = ""
        self.requests = 0
        self.asked = asyncio.Event()
        self._answers = list(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            self.asked.set()
            await (self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])(writer)
        writer.close()


@asynccontextmanager
async def raw_server(*answers: Answer) -> AsyncIterator[RawServer]:
    """Run a server on a port of its own."""
    raw = RawServer(answers)
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.ensure_future(raw.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield raw
    finally:
        server.close()
        for each in connections:
            each.cancel()
        await asyncio.gather(*connections)


def sends(*parts: bytes) -> Answer:
    """Return an answer of these bytes."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(parts))
        await writer.drain()

    return answer


def says(status: str, *headers: str, body: bytes = b"") -> Answer:
    """Return a usual answer, after which the connection is closed."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return sends("\r\n".join(lines).encode(), body)


async def hangs(_writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


def drips(head: bytes, pause: float) -> Answer:
    """Return an answer that sends the head and then one byte after each pause, without end."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(pause)

    return answer


def floods(head: bytes) -> Answer:
    """Return an answer that sends the head and then bytes without end."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(bytes(65_536))
            await writer.drain()

    return answer
