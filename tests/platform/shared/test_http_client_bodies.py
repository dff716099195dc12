"""The bodies that other services answer with: too large, garbage, or no JSON."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from app.platform.http_client import HttpClient, InvalidResponse
from app.platform.http_client_settings import HttpClientSettings
from tests.platform.support.raw_server import Answer, floods, raw_server, says, sends
from tests.support.server import PATIENCE

ENDLESS = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    """Yield a client that takes small bodies, over one connection."""
    async with asyncio.timeout(PATIENCE):
        client = HttpClient(HttpClientSettings.model_construct(connections_per_host=1, max_response_bytes=1_000_000))
        yield client
        await client.close()


def gzipped(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(floods(ENDLESS), id="endless"),
        pytest.param(sends(ENDLESS, bytes(1_000_001)), id="one byte"),
        pytest.param(sends(gzipped(gzip.compress(bytes(100_000_000)))), id="gzip bomb"),
        pytest.param(floods(b"HTTP/1.1 404 Not Found\r\n\r\n"), id="of an error"),
    ],
)
async def test_body_that_is_too_large_is_cut_off(client: HttpClient, answer: Answer) -> None:
    async with raw_server(answer) as server:
        with pytest.raises(InvalidResponse, match=r"larger than 1000000 bytes|ClientPayloadError"):
            await client.get(server.url)
        # the connection was closed: the only one is free
        with pytest.raises(InvalidResponse):
            await client.get(server.url)
    assert server.requests == 2


async def test_body_of_the_largest_size_is_read(client: HttpClient) -> None:
    async with raw_server(sends(ENDLESS, bytes(1_000_000))) as server:
        assert len((await client.get(server.url)).body) == 1_000_000


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        gzipped(b"no gzip at all"),
    ],
)
async def test_garbage_is_an_invalid_response(client: HttpClient, garbage: bytes) -> None:
    async with raw_server(sends(garbage)) as server:
        with pytest.raises(InvalidResponse):
            await client.get(server.url)
    assert server.requests == 1


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"\xff", b"NaN"])
async def test_body_that_is_not_json_is_named(client: HttpClient, body: bytes) -> None:
    async with raw_server(says("200 OK", body=body)) as server:
        answer = await client.get(server.url)
    with pytest.raises(InvalidResponse, match=r"^GET 127.0.0.1:\d+: the body is not JSON$"):
        answer.json()


@pytest.mark.parametrize("host", ["a" * 64, "a..b", "[::1"])
async def test_redirection_to_no_host_is_invalid(client: HttpClient, host: str) -> None:
    async with raw_server(says("302 Found", f"Location: http://{host}/")) as server:
        with pytest.raises(InvalidResponse):
            await client.get(server.url, redirects=1)
