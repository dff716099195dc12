"""The client's address, and the addresses that count as one client."""

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.platform import proxies
from app.platform.http.middleware.client import client_of


def key(host: str) -> str:
    return client_of({"client": (host, 1)}).limit_key


def test_client_is_an_ipv4_address_or_a_64_of_ipv6() -> None:
    assert key("192.0.2.1") == key("::ffff:192.0.2.1") == key("::FFFF:C000:0201") == "192.0.2.1"
    assert key("64:ff9b::192.0.2.1") == "192.0.2.1"
    assert key("2001:db8::1") == key("2001:0DB8:0:0:ffff::2%eth0") == "2001:db8::/64"
    assert len({key("192.0.2.1"), key("192.0.2.2"), key("2001:db8::1"), key("2001:db8:0:1::1")}) == 4


def test_invalid_addresses_count_as_one_client() -> None:
    hosts = ["unknown", "", "<script>", "x" * 10_000, "192.0.2.1:", "192.0.2.256", "1" * 64, "%eth0", "::1%" + "x" * 99]
    assert {client_of({"client": (host, 1)}) for host in hosts} == {(None, "unknown")}
    assert client_of({"client": None}) == client_of({}) == (None, "unknown")


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("203.0.113.9", ["192.0.2.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.1, 192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.1", "192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.1, 192.0.2.1, 10.0.0.2,10.9.9.9:80"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1:5678"], "192.0.2.1"),
        ("10.0.0.1", ["[2001:DB8::1]:443"], "2001:db8::1"),
        ("10.0.0.1", ["::ffff:192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1"),
        ("::ffff:10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("::ffff:203.0.113.9", ["192.0.2.1"], "203.0.113.9"),
        ("10.0.0.1", ["2001:db8::1%<script>"], "2001:db8::1"),
        ("10.0.0.1", ["unknown"], None),
        ("10.0.0.1", ["192.0.2.1, <script>"], None),
        ("10.0.0.1", ["x" * 10_000], None),
        (None, ["192.0.2.1"], None),
    ],
)
async def test_last_entry_that_is_not_a_proxy_is_the_client(
    peer: str | None, headers: list[str], client: str | None
) -> None:
    found = []

    async def app(scope: object, *_: object) -> None:
        assert isinstance(scope, dict)
        found.append(client_of(scope).address)

    scope = {
        "type": "http",
        "client": (peer, 1) if peer else None,
        "headers": [(b"x-forwarded-for", header.encode()) for header in headers],
    }
    trusted = proxies.with_mapped_addresses(proxies.check_entries("10.0.0.0/8"))
    await ProxyHeadersMiddleware(app, trusted)(scope, None, None)  # type: ignore[arg-type] # nothing is sent
    assert found == [client]
