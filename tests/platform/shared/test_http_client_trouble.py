"""Calls of services that hang, break off, or never end: every call ends in time, with an error that says why."""

import asyncio
import socket
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import stamina

from app.platform.http_client import (
    CallFailed,
    HttpClient,
    NoFreeConnection,
    NoResponse,
    TimedOut,
    UnexpectedStatus,
)
from app.platform.http_client_settings import HttpClientSettings
from tests.platform.support.raw_server import Answer, RawServer, drips, floods, hangs, raw_server, says, sends
from tests.support.server import PATIENCE

ENDLESS = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
IN_AN_HOUR = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"


@pytest.fixture
def no_waits() -> Iterator[None]:
    """Retry as usual, without the pauses."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    """Yield a client with limits that are reached soon."""
    async with asyncio.timeout(PATIENCE):
        settings = HttpClientSettings.model_construct(connections_per_host=1, connect_timeout=0.2)
        client = HttpClient(settings)
        yield client
        await client.close()


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize(("method", "tries"), [("GET", 3), ("POST", 1)])
async def test_each_try_at_a_service_that_hangs_ends(client: HttpClient, method: str, tries: int) -> None:
    async with raw_server(hangs) as server:
        with pytest.raises(TimedOut, match=r"within 0.1 s \(waiting for the response\)") as late:
            await client.request(method, server.url, try_timeout=0.1)
    assert isinstance(late.value, TimeoutError)
    assert late.value.sent
    assert server.requests == tries


@pytest.mark.usefixtures("no_waits")
async def test_service_that_hangs_once_is_tried_again(client: HttpClient) -> None:
    async with raw_server(hangs, says("200 OK", body=b"1")) as server:
        assert (await client.get(server.url, try_timeout=0.1)).json() == 1


@pytest.mark.usefixtures("no_waits")
async def test_deadline_ends_all_tries(client: HttpClient) -> None:
    async with raw_server(hangs) as server:
        with pytest.raises(TimedOut, match=r"within 0.1 s \(waiting for the response\)"):
            await client.get(server.url, timeout=0.1)
    assert server.requests == 1


async def test_body_that_drips_ends_at_the_deadline(client: HttpClient) -> None:
    async with raw_server(drips(ENDLESS, 0.01)) as server:
        with pytest.raises(TimedOut, match=r"within 0.5 s \(reading the response\)"):
            await client.get(server.url, timeout=0.5)
    assert server.requests == 1


async def test_waiting_for_a_free_connection_ends(client: HttpClient) -> None:
    async with raw_server(hangs) as server, asyncio.TaskGroup() as group:
        first = group.create_task(client.get(server.url))
        await server.asked.wait()
        with pytest.raises(NoFreeConnection, match=r"within 0.2 s \(waiting for a free connection\)") as refused:
            await client.get(server.url)
        assert not refused.value.sent
        with pytest.raises(NoFreeConnection, match=r"within 0.1 s"):
            await client.get(server.url, timeout=0.1)
        first.cancel()
    assert server.requests == 1


@pytest.mark.usefixtures("no_waits")
async def test_service_that_accepts_no_connection_is_left(client: HttpClient) -> None:
    with ExitStack() as stack, socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        # fill the queue of connections that nobody accepts
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(listening.getsockname())
        with pytest.raises(TimedOut, match=r"within 0.2 s \(connecting\)") as refused:
            await client.post(f"http://127.0.0.1:{listening.getsockname()[1]}/", b"1")
    assert not refused.value.sent


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("broken", [HALF, b"", b"HTTP/1.1 200 OK\r\n"])
async def test_response_that_breaks_off_is_no_response(client: HttpClient, broken: bytes) -> None:
    async with raw_server(sends(broken)) as server:
        with pytest.raises(NoResponse) as refused:
            await client.post(server.url, b"1")
        assert refused.value.sent
        assert not isinstance(refused.value, TimeoutError)
        assert server.requests == 1
    async with raw_server(sends(broken), says("200 OK", body=b"1")) as server:
        assert (await client.get(server.url)).json() == 1
        assert server.requests == 2


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("value", ["30", "9" * 400, pytest.param(IN_AN_HOUR, id="date")])
async def test_asked_to_wait_beyond_the_deadline_ends_at_once(client: HttpClient, value: str) -> None:
    async with raw_server(says("429 Too Many Requests", f"Retry-After: {value}")) as server:
        with pytest.raises(UnexpectedStatus) as refused:
            await client.get(server.url, timeout=30.0)
    assert refused.value.response is not None
    assert refused.value.response.headers["retry-after"] == value
    assert server.requests == 1


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize(
    "value",
    [
        *("1", "0", "-5", "soon", "", "1.5", "\u0661", "Mon, 01 Jan 1990 00:00:00 -0000"),
        "Mon, 01 Jan 99999999999 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 +99999999999999",
    ],
)
async def test_other_waits_are_within_the_deadline(client: HttpClient, value: str) -> None:
    async with raw_server(says("503 Overloaded", f"Retry-After: {value}"), says("200 OK")) as server:
        await client.get(server.url, timeout=30.0)
    assert server.requests == 2


@pytest.mark.parametrize("answer", [hangs, says("503 Overloaded", "Retry-After: 20"), drips(ENDLESS, 0.01)])
async def test_cancellation_ends_a_call_at_once(client: HttpClient, answer: Answer) -> None:
    async with raw_server(answer) as server:
        call = asyncio.create_task(client.get(server.url))
        await server.asked.wait()
        await asyncio.sleep(0.1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert server.requests == 1


async def test_close_ends_the_calls_that_run(client: HttpClient) -> None:
    async with raw_server(hangs) as server, raw_server(says("503 Overloaded", "Retry-After: 1")) as busy:
        calls = [asyncio.create_task(client.get(url)) for url in (server.url, server.url, busy.url)]
        await server.asked.wait()
        await busy.asked.wait()
        await client.close()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(each, CallFailed) for each in outcomes] == [True] * 3
    assert (server.requests, busy.requests) == (1, 1)


async def test_each_event_loop_needs_a_client_of_its_own(client: HttpClient) -> None:
    async with raw_server(says("200 OK")) as server:
        await client.get(server.url)
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, client.get(server.url))
    other = HttpClient()

    async def once(url: str) -> int:
        try:
            return (await other.get(url)).status
        finally:
            await other.close()

    async with raw_server(says("204 No Content")) as server:
        for _ in range(2):
            assert await asyncio.to_thread(asyncio.run, once(server.url)) == 204


async def failing(server: RawServer, client: HttpClient) -> CallFailed:
    url = server.url.replace("//", "//ada:hunter2@") + "hunter2?token=hunter2"
    with pytest.raises(CallFailed) as failed:
        await client.get(url, params={"key": "hunter2"}, headers={"X-Key": "hunter2"}, try_timeout=0.1, tries=1)
    return failed.value


@pytest.mark.parametrize(
    "answer",
    [
        hangs,
        sends(b""),
        sends(HALF),
        sends(b"SSH-2.0-hunter2\r\n\r\n"),
        says("401 Unauthorized", "X-Key: hunter2", body=b"hunter2"),
        floods(ENDLESS),
    ],
)
async def test_errors_show_no_secrets(client: HttpClient, answer: Answer) -> None:
    async with raw_server(answer) as server:
        error = await failing(server, client)
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(getattr(error, "response", None))
    assert "hunter2" not in shown.replace('"hunter2"', "")
    assert str(error).startswith("GET 127.0.0.1:")
