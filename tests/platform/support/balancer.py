"""A balancer before several instances, which asks each of them once a second whether it is ready, and its clients."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import count

# for an answer; none takes so long
SECONDS = 10.0


class Connection:
    """A connection that is kept open, as balancers and clients keep theirs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.last = False

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Open a connection."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def get(self, path: str, *headers: str) -> tuple[int, bytes]:
        """Send a request; return the status and the body of the answer.

        Raises:
            OSError: the connection has ended without an answer.
            EOFError: the same.
        """
        lines = [f"GET {path} HTTP/1.1", "Host: service", *headers, "", ""]
        self._writer.write("\r\n".join(lines).encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        first, *rest = head.split("\r\n")
        answered = dict(line.split(": ", 1) for line in rest if line)
        self.last = answered.get("connection") == "close"
        return int(first.split()[1]), await self._reader.readexactly(int(answered.get("content-length", "0")))

    def close(self) -> None:
        """Close it."""
        self._writer.close()

    @property
    def closed(self) -> bool:
        """Whether the other side has closed it, as far as is known."""
        return self._reader.at_eof()


class Balancer:
    """Passes each request to one of the ready instances, in turn; nothing is tried again.

    Without `keep_alive` each request gets a new connection to its instance.
    """

    def __init__(self, ports: Iterable[int], *, keep_alive: bool, interval: float) -> None:
        self._interval = interval
        self._idle: dict[int, list[Connection]] = {port: [] for port in ports}
        self._ready: list[int] = []
        self._slow: frozenset[int] = frozenset()
        self._turn = count()
        self._keep_alive = keep_alive
        self.lost: list[str] = []
        self.answered = 0

    async def ask(self) -> None:
        """Ask all instances again and again."""
        while True:
            answers = await asyncio.gather(*(self._is_ready(port) for port in self._idle))
            self._ready = [port for port, ready in zip(self._idle, answers, strict=True) if ready]
            await asyncio.sleep(self._interval)

    async def until_ready(self, number: int) -> None:
        """Wait until so many instances are ready."""
        while len(self._ready) != number:  # noqa: ASYNC110 (it is polled itself)
            await asyncio.sleep(0.02)

    async def send(self, path: str, *headers: str) -> None:
        """Send a request to a ready instance, and note whether it is answered."""
        port = self._ready[next(self._turn) % len(self._ready)] if self._ready else 0
        try:
            async with asyncio.timeout(SECONDS):
                status = await self._pass_on(port, path, *headers)
        except (OSError, EOFError) as error:
            self.lost.append(f"{port}: {error!r}")
        else:
            self.answered += 1
            if status != 200:
                self.lost.append(f"{port}: {status}")

    async def load(self, clients: int, path: str, *headers: str, pause: float = 0.05) -> None:
        """Let so many clients send one request after the other."""

        async def client() -> None:
            while True:
                await self.send(path, *headers)
                await asyncio.sleep(pause)

        await asyncio.gather(*(client() for _ in range(clients)))

    async def _pass_on(self, port: int, path: str, *headers: str) -> int:
        idle = self._idle.get(port, [])
        while idle and idle[-1].closed:
            idle.pop().close()
        connection = idle.pop() if idle else await Connection.open(port)
        try:
            status, _ = await connection.get(path, *headers)
        except BaseException:
            connection.close()
            raise
        if connection.last or not self._keep_alive:
            connection.close()
        else:
            idle.append(connection)
        return status

    async def _is_ready(self, port: int) -> bool:
        """Return whether an instance is ready; one slow answer is forgiven, unless the last one was slow, too."""
        was_slow, self._slow = port in self._slow, self._slow - {port}
        try:
            async with asyncio.timeout(self._interval):
                connection = await Connection.open(port)
                try:
                    return (await connection.get("/readyz"))[0] == 200
                finally:
                    connection.close()
        except TimeoutError:
            self._slow |= {port}
            return port in self._ready and not was_slow
        except (OSError, EOFError):
            return False

    def close(self) -> None:
        """Close all connections."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()


@asynccontextmanager
async def balancing(
    ports: Iterable[int], path: str, *headers: str, clients: int, keep_alive: bool, interval: float = 1.0
) -> AsyncIterator[Balancer]:
    """Send requests to ready instances until the end of the block."""
    balancer = Balancer(ports, keep_alive=keep_alive, interval=interval)
    asking = asyncio.ensure_future(balancer.ask())
    await balancer.until_ready(2)
    loading = asyncio.ensure_future(balancer.load(clients, path, *headers))
    try:
        yield balancer
    finally:
        loading.cancel()
        asking.cancel()
        await asyncio.gather(loading, asking, return_exceptions=True)
        balancer.close()
