"""What another service may have received: nothing is sent more often than the caller allows, and errors say so."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import stamina

from app.platform.http_client import CallOptions, HttpClient, NoFreeConnection, NoResponse, TimedOut
from app.platform.http_client_settings import HttpClientSettings
from tests.platform.support.raw_server import hangs, raw_server, sends
from tests.support.server import PATIENCE

ALIVE = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Retry as usual, without the pauses."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    """Yield a client that has one connection."""
    async with asyncio.timeout(PATIENCE):
        client = HttpClient(HttpClientSettings.model_construct(connections_per_host=1, connect_timeout=0.5))
        yield client
        await client.close()


class Leaving:
    """A server that answers some requests on a connection, and closes it after it has read the next one."""

    def __init__(self, answers: int, *, for_good: bool) -> None:
        self.url = ""
        self.methods: list[str] = []
        self._answers = answers
        self._for_good = for_good

    @asynccontextmanager
    async def run(self) -> AsyncIterator["Leaving"]:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        yield self
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(self._answers):
            await self._read(reader)
            writer.write(ALIVE)
        await self._read(reader)
        if self._for_good:
            self._server.close()
        writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        self.methods.append((await reader.readuntil(b"\r\n\r\n")).split()[0].decode())


@pytest.mark.parametrize("options", [CallOptions(repeatable=False), CallOptions(tries=1)])
async def test_open_connection_that_breaks_repeats_nothing_by_itself(client: HttpClient, options: CallOptions) -> None:
    async with Leaving(1, for_good=False).run() as server:
        await client.get(server.url)
        with pytest.raises(NoResponse) as broken:
            await client.delete(server.url, **options)
    assert broken.value.sent
    assert server.methods == ["GET", "DELETE"]


async def test_error_of_a_later_try_knows_that_an_earlier_one_was_sent(client: HttpClient) -> None:
    async with Leaving(0, for_good=True).run() as server:
        with pytest.raises(NoResponse, match=r"\(connecting\)") as refused:
            await client.post(server.url, b"1", {"Idempotency-Key": "k"})
    assert refused.value.sent
    assert server.methods == ["POST"]


async def test_call_that_waits_in_vain_for_its_second_connection_was_sent(client: HttpClient) -> None:
    async with raw_server(sends(b""), hangs) as server, asyncio.TaskGroup() as group:
        call = group.create_task(refused(client, server.url))
        await asyncio.sleep(0)
        second = group.create_task(client.get(server.url))
        error = await call
        second.cancel()
    assert isinstance(error, NoFreeConnection)
    assert error.sent


async def refused(client: HttpClient, url: str) -> TimedOut:
    with pytest.raises(TimedOut) as late:
        await client.put(url, b"1")
    return late.value
