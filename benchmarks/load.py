"""A closed-loop HTTP client: each connection sends the next request when the last response has arrived."""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

# How long to wait for responses after the end of a measurement.
GRACE_SECONDS = 15.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass
class Outcome:
    """The results of the requests of one measurement."""

    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    unanswered: int = 0
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        """The number of requests without a response, or with a status other than 2xx."""
        return self.refused + self.unanswered


def http(method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """Return the bytes of a keep-alive request."""
    fields = {"host": "127.0.0.1", "content-length": str(len(body)), **(headers or {})}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def json_request(path: str, content: object, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a POST with a JSON body."""
    return http("POST", path, {"content-type": "application/json", **(headers or {})}, json.dumps(content).encode())


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, bytes]:
    """Send a request; return the status and the body of the response."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length else b""
    return int(head[9:12]), body


async def once(port: int, request: bytes) -> tuple[int, bytes]:
    """Send one request on a new connection."""
    async with asyncio.timeout(GRACE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return await exchange(reader, writer, request)
        finally:
            writer.close()


async def load(port: int, request: bytes, requests: int, *, connections: int, seconds: float) -> Outcome:
    """Send the request for the given number of times or seconds, whichever ends first."""
    outcome = Outcome()
    started = time.perf_counter()
    deadline = started + seconds
    left = requests

    async def keep_asking() -> None:
        nonlocal left
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while left > 0:
                sent = time.perf_counter()
                left -= 1
                # subtracted again when the response arrives
                outcome.unanswered += 1
                status, _ = await exchange(reader, writer, request)
                outcome.latencies.append(time.perf_counter() - sent)
                outcome.unanswered -= 1
                outcome.refused += not 200 <= status < 300
                # checked after the first response, because a median needs at least one, however slow the machine
                if time.perf_counter() >= deadline:
                    break
        finally:
            writer.close()

    tasks = [asyncio.create_task(keep_asking()) for _ in range(connections)]
    try:
        await asyncio.wait(tasks, timeout=seconds + GRACE_SECONDS)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    outcome.seconds = time.perf_counter() - started
    # a broken connection has counted its request as unanswered already; a refused connection has not
    outcome.unanswered += sum(isinstance(error, ConnectionRefusedError) for error in ended)
    unexpected = [
        error for error in ended if isinstance(error, Exception) and not isinstance(error, OSError | EOFError)
    ]
    if unexpected:
        raise unexpected[0]
    return outcome
