"""Calls of other services: what is sent, what is returned, and what is repeated."""

import json
from collections.abc import AsyncIterator, Iterator

import pytest
import stamina
from aiohttp.test_utils import unused_port
from prometheus_client import REGISTRY

from app.platform.context import request_id
from app.platform.http_client import HttpClient, InvalidResponse, NoResponse, UnexpectedStatus
from app.platform.http_client_settings import HttpClientSettings
from app.platform.settings import HttpSettings, load
from app.resources import Resources
from tests.platform.support.raw_server import raw_server, says
from tests.support.receivers import receiving

PLAIN = {"POST", "PATCH"}
METHODS = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", *sorted(PLAIN))


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    """Retry as usual, without the pauses."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
def retries() -> Iterator[list[str]]:
    """Return the reasons of all retries."""
    found: list[str] = []
    stamina.instrumentation.set_on_retry_hooks([lambda details: found.append(str(details.caused_by))])
    yield found
    stamina.instrumentation.set_on_retry_hooks(None)


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.close()


async def test_method_query_headers_and_body_arrive(client: HttpClient) -> None:
    async with receiving(200) as receiver:
        await client.get(receiver.url, params={"q": "ä b"}, headers={"X-Own": "1"})
        for call in (client.post, client.put, client.patch):
            await call(receiver.url, b"\0\xff", {"Content-Type": "image/png"})
            await call(receiver.url, json={"a": [1, None, "ä"]})
        await client.delete(receiver.url)
        answer = await client.request("options", receiver.url)
    got = receiver.received
    assert [each.method for each in got] == [
        "GET", "POST", "POST", "PUT", "PUT", "PATCH", "PATCH", "DELETE", "OPTIONS",
    ]  # fmt: skip
    assert (got[0].query, got[0].headers["X-Own"], got[0].body) == ({"q": "ä b"}, "1", b"")
    for plain, of_json in zip(got[1:7:2], got[2:7:2], strict=True):
        assert (plain.headers["Content-Type"], plain.body) == ("image/png", b"\0\xff")
        assert of_json.headers["Content-Type"] == "application/json"
        assert json.loads(of_json.body) == {"a": [1, None, "ä"]}
    assert (answer.status, answer.headers["LOCATION"], answer.body) == (200, "/elsewhere", b"hunter2")


async def test_headers_of_the_caller_take_precedence(client: HttpClient) -> None:
    token = request_id.set("request-1")
    async with receiving() as receiver:
        await client.post(receiver.url, json=1, headers={"content-type": "application/x", "x-request-id": "mine"})
    request_id.reset(token)
    (got,) = receiver.received
    assert got.headers.getall("Content-Type") == ["application/x"]
    assert got.headers.getall("X-Request-ID") == ["mine"]


async def test_id_of_the_request_is_passed_on(client: HttpClient) -> None:
    token = request_id.set("request-1")
    async with receiving(503, 200) as receiver:
        await client.get(receiver.url)
        request_id.reset(token)
        await client.get(receiver.url)
    assert [got.headers.get("X-Request-ID") for got in receiver.received] == ["request-1", "request-1", None]


async def test_interface_of_release_0_4_is_kept(client: HttpClient) -> None:
    async with receiving(503, 204) as receiver:
        await client.post(receiver.url, b'{"a":1}', {"X-Own": "1"}, seconds=30.0)
    assert [(got.method, got.body) for got in receiver.received] == [("POST", b'{"a":1}')] * 2
    assert receiver.received[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_only_what_may_arrive_twice_is_repeated(client: HttpClient, method: str, status: int) -> None:
    async with receiving(status, 200) as receiver:
        if method in PLAIN:
            with pytest.raises(UnexpectedStatus):
                await client.request(method, receiver.url, body=b"1")
        else:
            assert (await client.request(method, receiver.url)).status == 200
    assert len(receiver.received) == (1 if method in PLAIN else 2)


@pytest.mark.parametrize("method", sorted(PLAIN))
async def test_key_or_the_caller_allow_repetitions(client: HttpClient, method: str) -> None:
    async with receiving(503, 200, 503, 200, 503) as receiver:
        await client.request(method, receiver.url, body=b"1", headers={"idempotency-key": "k"})
        await client.request(method, receiver.url, body=b"1", repeatable=True)
        with pytest.raises(UnexpectedStatus):
            await client.request(method, receiver.url, headers={"Idempotency-Key": "k"}, repeatable=False)
    assert [got.body for got in receiver.received] == [b"1"] * 4 + [b""]
    assert [got.headers.get("Idempotency-Key") for got in receiver.received] == ["k", "k", None, None, "k"]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 409, 422, 500, 501, 505])
async def test_permanent_failure_is_not_repeated(client: HttpClient, status: int) -> None:
    async with receiving(status, 200) as receiver:
        with pytest.raises(UnexpectedStatus, match=f"^GET 127.0.0.1:\\d+ answered with {status}$") as refused:
            await client.get(receiver.url)
    assert (refused.value.status, len(receiver.received)) == (status, 1)
    assert refused.value.response is not None
    assert refused.value.response.body == b"hunter2"


async def test_number_of_tries_is_limited(client: HttpClient) -> None:
    async with receiving(503) as receiver:
        for tries in (1, 2, None):
            with pytest.raises(UnexpectedStatus):
                await (client.get(receiver.url, tries=tries) if tries else client.get(receiver.url))
    assert len(receiver.received) == 1 + 2 + HttpClientSettings.model_construct().tries


async def test_what_was_not_sent_is_repeated_whatever_it_is(client: HttpClient, retries: list[str]) -> None:
    with pytest.raises(NoResponse, match=r"ClientConnectorError.*connecting") as refused:
        await client.post(f"http://127.0.0.1:{unused_port()}", b"1")
    assert not refused.value.sent
    assert len(retries) == 2


async def test_redirects_are_followed_on_request_only(client: HttpClient) -> None:
    async with receiving(302, 200, 302) as receiver:
        assert (await client.get(receiver.url, redirects=1)).status == 200
        with pytest.raises(InvalidResponse, match="TooManyRedirects"):
            await client.get(receiver.url, redirects=2)
    assert [got.path for got in receiver.received] == ["/receipts", "/elsewhere", "/receipts", *(["/elsewhere"] * 2)]


@pytest.mark.parametrize("target", ["http://[hunter2", "ftp://hunter2/", "file:///etc/passwd"])
async def test_redirect_to_nowhere_is_an_error(client: HttpClient, target: str) -> None:
    async with raw_server(says("302 Found", f"Location: {target}")) as server:
        with pytest.raises(InvalidResponse, match="Redirect") as refused:
            await client.get(server.url, redirects=1)
    assert "hunter2" not in str(refused.value)


async def test_cookies_are_not_kept(client: HttpClient) -> None:
    async with raw_server(says("200 OK", "Set-Cookie: session=1")) as server, receiving() as receiver:
        # by name: no cookie jar takes cookies of an address
        for url in (server.url, receiver.url):
            await client.get(url.replace("127.0.0.1", "localhost"))
    assert "Cookie" not in receiver.received[0].headers


async def test_calls_share_connections_until_close(client: HttpClient) -> None:
    async with receiving(200, 503, 200) as receiver:
        await client.get(receiver.url)
        await client.get(receiver.url)
        assert len({got.peer for got in receiver.received}) == 1
        await client.close()
        await client.close()
        await client.get(receiver.url)
        assert len({got.peer for got in receiver.received}) == 2


@pytest.mark.parametrize(
    "url",
    ["ftp://hunter2/", "hunter2", "//hunter2/", "http://", "http://hunter2:x/", "http://[hunter2", "http://h:99999/"],
)
async def test_malformed_url_is_refused(client: HttpClient, url: str) -> None:
    with pytest.raises(ValueError, match="not a URL") as refused:
        await client.get(url)
    assert "hunter2" not in str(refused.value)


async def test_contradictions_are_refused(client: HttpClient) -> None:
    with pytest.raises(ValueError, match="a body or json"):
        await client.post("http://127.0.0.1", b"1", json=1)
    with pytest.raises(ValueError, match="POST does not follow redirects"):
        await client.post("http://127.0.0.1", redirects=1)
    with pytest.raises(ValueError, match="at least one try"):
        await client.get("http://127.0.0.1", tries=0)


async def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_CLIENT_TRIES", "1")
    monkeypatch.setenv("HTTP_CLIENT_TIMEOUT", "7")
    settings = load(HttpClientSettings)
    assert (settings.tries, settings.timeout) == (1, 7)
    load(HttpSettings)
    client = HttpClient(settings)
    async with receiving(503) as receiver:
        with pytest.raises(UnexpectedStatus):
            await client.get(receiver.url)
        await client.close()
    assert len(receiver.received) == 1


async def test_resources_have_a_client_and_close_it(resources: Resources) -> None:
    async with receiving(200) as receiver:
        await resources.http.get(receiver.url)
        await resources.stack.aclose()
        await resources.http.get(receiver.url)
        await resources.http.close()
    assert len({got.peer for got in receiver.received}) == 2


async def test_calls_are_counted_by_their_outcome(client: HttpClient) -> None:
    def count(outcome: str) -> float:
        return REGISTRY.get_sample_value("http_client_duration_seconds_count", {"outcome": outcome}) or 0.0

    before = count("ok"), count("unexpected_status")
    async with receiving(503, 200, 400) as receiver:
        await client.get(receiver.url)
        with pytest.raises(UnexpectedStatus):
            await client.get(receiver.url)
    assert (count("ok"), count("unexpected_status")) == (before[0] + 1, before[1] + 1)
