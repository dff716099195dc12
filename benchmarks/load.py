"""A closed-loop HTTP client: each connection sends the next request when the last response has arrived.

It parses as little as it can, because with many connections and a fast server the client must not be the bottleneck.
"""

import asyncio
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

# How long to wait for responses after the end of a measurement.
GRACE_SECONDS = 15.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


@dataclass
class Outcome:
    """The results of the requests of one measurement.

    Attributes:
        latencies: seconds until each response with a status of 2xx.
        refused: responses with another status.
        waits: seconds that each request without a response has waited for; their number is `unanswered`.
        starved: connections that got no response of 2xx at all.
        client_seconds: CPU time of this process.
    """

    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    waits: list[float] = field(default_factory=list)
    starved: int = 0
    seconds: float = 0.0
    client_seconds: float = 0.0

    @property
    def unanswered(self) -> int:
        """The number of requests without a response."""
        return len(self.waits)

    @property
    def failed(self) -> int:
        """The number of requests without a response, or with a status other than 2xx."""
        return self.refused + self.unanswered

    @property
    def per_second(self) -> float:
        """Responses of 2xx per second."""
        return len(self.latencies) / self.seconds

    @property
    def client_share(self) -> float:
        """The share of a core that the client needed; near 1.00, the client was the bottleneck."""
        return self.client_seconds / self.seconds


def http(method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """Return the bytes of a keep-alive request."""
    fields = {"host": "127.0.0.1", "content-length": str(len(body)), **(headers or {})}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def json_request(path: str, content: object, headers: Mapping[str, str] | None = None, method: str = "POST") -> bytes:
    """Return the bytes of a request with a JSON body."""
    return http(method, path, {"content-type": "application/json", **(headers or {})}, json.dumps(content).encode())


async def response(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read a response; return its status and body."""
    head = await reader.readuntil(_HEAD_END)
    length = _LENGTH.search(head)
    return int(head[9:12]), await reader.readexactly(int(length[1])) if length else b""


async def once(port: int, request: bytes) -> tuple[int, bytes]:
    """Send one request on a new connection."""
    async with asyncio.timeout(GRACE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            return await response(reader)
        finally:
            writer.close()


@dataclass
class _Run:
    """What all connections of a measurement share."""

    request: bytes
    left: float
    deadline: float
    outcome: Outcome


class _Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._received = b""
        self.transport: asyncio.Transport | None = None
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.sent: float | None = None
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows the type
        self.transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(_HEAD_END)
        if head < 0:
            return
        length = _LENGTH.search(self._received, 0, head)
        if len(self._received) < head + len(_HEAD_END) + (int(length[1]) if length else 0):
            return
        if self._received[9:10] == b"2":
            self.answers += 1
            self._run.outcome.latencies.append(time.perf_counter() - (self.sent or math.nan))
        else:
            self._run.outcome.refused += 1
        self._received, self.sent = b"", None
        # the deadline counts after the first response, because a median needs at least one, however slow the machine
        if time.perf_counter() >= self._run.deadline:
            self._end()
        else:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(exc)

    def _next(self) -> None:
        if self._run.left <= 0 or self.transport is None:
            self._end()
            return
        self._run.left -= 1
        self.sent = time.perf_counter()
        self.transport.write(self._run.request)

    def _end(self) -> None:
        if self.transport:
            self.transport.close()


async def load(  # noqa: PLR0913 - most are named
    port: int,
    request: bytes,
    requests: float = math.inf,
    *,
    connections: int,
    seconds: float,
    grace: float = GRACE_SECONDS,
) -> Outcome:
    """Send the request for the given number of times or seconds, whichever ends first.

    Requests without a response are given up `grace` seconds after the end.
    """
    outcome = Outcome()
    started, cpu = time.perf_counter(), time.process_time()
    shared = _Run(request, requests, started + seconds, outcome)
    clients = [_Connection(shared) for _ in range(connections)]
    await asyncio.gather(*(_open(client, port) for client in clients))
    left = max(0.0, shared.deadline - time.perf_counter()) + grace
    await asyncio.wait([client.ended for client in clients], timeout=left)
    ended = time.perf_counter()
    outcome.seconds, outcome.client_seconds = ended - started, time.process_time() - cpu
    outcome.waits = [ended - client.sent for client in clients if client.sent is not None]
    outcome.starved = sum(client.answers == 0 for client in clients)
    _close(clients)
    return outcome


async def _open(client: _Connection, port: int) -> None:
    """Connect a client, which sends its first request then; one without a connection gets no response."""
    started = time.perf_counter()
    try:
        await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
    except OSError as error:
        client.sent = started
        client.connection_lost(error)


def _close(clients: list[_Connection]) -> None:
    """End the connections that are still open.

    Raises:
        Exception: a client failed for another reason than its connection.
    """
    errors = [client.ended.result() for client in clients if client.ended.done()]
    for client in clients:
        if client.transport:
            client.transport.abort()
    for error in errors:
        if error is not None and not isinstance(error, OSError | EOFError):
            raise error
