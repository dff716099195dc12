"""Calls of other services: retries, headers and connections."""

from collections.abc import AsyncIterator, Iterator, Mapping

import aiohttp
import pytest
import stamina

from app.platform.context import request_id
from app.platform.http_client import TRIES, HttpClient, UnexpectedStatus
from tests.support.receivers import SILENCE, Receiver, receiving


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Retry as usual, without the pauses."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.close()


async def post(
    client: HttpClient, receiver: Receiver, headers: Mapping[str, str] | None = None, *, seconds: float = 30.0
) -> None:
    await client.post(receiver.url, b'{"a":1}', headers or {}, seconds=seconds)


async def test_body_and_headers_arrive(client: HttpClient) -> None:
    async with receiving() as receiver:
        await post(client, receiver, {"Idempotency-Key": "receipt-1"})
    (got,) = receiver.received
    assert (got.method, got.path, got.body) == ("POST", "/receipts", b'{"a":1}')
    assert (got.headers["Content-Type"], got.headers["Idempotency-Key"]) == ("application/json", "receipt-1")
    assert "X-Request-ID" not in got.headers


async def test_id_of_the_request_is_passed_on(client: HttpClient) -> None:
    token = request_id.set("request-1")
    async with receiving(503, 200) as receiver:
        await post(client, receiver)
    request_id.reset(token)
    assert [got.headers["X-Request-ID"] for got in receiver.received] == ["request-1"] * 2


async def test_headers_of_the_caller_take_precedence(client: HttpClient) -> None:
    async with receiving() as receiver:
        await post(client, receiver, {"Content-Type": "application/cloudevents+json"})
    (got,) = receiver.received
    assert got.headers.getall("Content-Type") == ["application/cloudevents+json"]


@pytest.mark.parametrize("status", [500, 503, 599, 429])
async def test_transient_failure_is_retried(client: HttpClient, status: int) -> None:
    async with receiving(status, 204) as receiver:
        await post(client, receiver)
    assert len(receiver.received) == 2
    assert receiver.received[0].body == receiver.received[1].body


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 409, 422])
async def test_permanent_failure_is_not_retried(client: HttpClient, status: int) -> None:
    async with receiving(status, 200) as receiver:
        with pytest.raises(UnexpectedStatus) as refused:
            await post(client, receiver)
    assert (refused.value.status, str(refused.value)) == (status, f"answered with {status}")
    assert [got.path for got in receiver.received] == ["/receipts"]


async def test_number_of_tries_is_limited(client: HttpClient) -> None:
    async with receiving(503) as receiver:
        with pytest.raises(UnexpectedStatus) as refused:
            await post(client, receiver)
    assert refused.value.status == 503
    assert len(receiver.received) == TRIES == 3


async def test_time_out_is_retried(client: HttpClient) -> None:
    async with receiving(SILENCE, SILENCE, 200) as receiver:
        await post(client, receiver, seconds=1.0)
        assert len(receiver.received) == 3
    async with receiving(SILENCE) as receiver:
        with pytest.raises(TimeoutError):
            await post(client, receiver, seconds=1.0)
        assert len(receiver.received) == TRIES


async def test_unreachable_receiver_is_an_error(client: HttpClient) -> None:
    async with receiving() as receiver:
        pass
    with pytest.raises(aiohttp.ClientConnectionError):
        await post(client, receiver)
    assert receiver.received == []


async def test_calls_share_connections_until_close(client: HttpClient) -> None:
    async with receiving(200, 503, 200) as receiver:
        await post(client, receiver)
        await post(client, receiver)
        assert len({got.peer for got in receiver.received}) == 1
        await client.close()
        await client.close()
        await post(client, receiver)
        assert len({got.peer for got in receiver.received}) == 2
