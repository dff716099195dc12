"""A closed-loop HTTP client: each of its connections sends the next request when the last one is answered."""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

# How long a request may stay unanswered after the time of a measurement is over.
GRACE_SECONDS = 15.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass
class Outcome:
    """What became of the requests of one measurement."""

    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    unanswered: int = 0
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        """Requests without an answer, and those whose answer was not 2xx."""
        return self.refused + self.unanswered


def http(method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """The bytes of a keep-alive request."""
    fields = {"host": "127.0.0.1", "content-length": str(len(body)), **(headers or {})}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def json_request(path: str, content: object, headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a POST with a JSON body."""
    return http("POST", path, {"content-type": "application/json", **(headers or {})}, json.dumps(content).encode())


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, bytes]:
    """Send a request; the status and the body of its answer."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length else b""
    return int(head[9:12]), body


async def once(port: int, request: bytes) -> tuple[int, bytes]:
    """Send one request on a connection of its own."""
    async with asyncio.timeout(GRACE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return await exchange(reader, writer, request)
        finally:
            writer.close()


async def load(port: int, request: bytes, requests: int, *, connections: int, seconds: float) -> Outcome:
    """Send the request so many times, or for so many seconds, whichever is over first."""
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
                # taken back when the answer is there
                outcome.unanswered += 1
                status, _ = await exchange(reader, writer, request)
                outcome.latencies.append(time.perf_counter() - sent)
                outcome.unanswered -= 1
                outcome.refused += not 200 <= status < 300
                # not before: a median needs an answer, however slow the machine
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
    # one that was broken has left its request unanswered; one that was never opened has sent none
    outcome.unanswered += sum(isinstance(error, ConnectionRefusedError) for error in ended)
    unexpected = [
        error for error in ended if isinstance(error, Exception) and not isinstance(error, OSError | EOFError)
    ]
    if unexpected:
        raise unexpected[0]
    return outcome
