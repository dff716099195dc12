"""Refused before any route: malformed HTTP, preflights, WebSockets. On real sockets, through uvicorn."""

import json
from pathlib import Path
from typing import Any

from tests.platform.support.disconnects import connect
from tests.support.server import Server, serving

MALFORMED = (b"\x16\x03\x01 TLS at the wrong port\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n")
SECRET = "ticket=secret"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def handshake(path: str = "/nowhere", **changes: str | None) -> bytes:
    """Return an upgrade to a WebSocket; `None` leaves a header out."""
    headers = UPGRADE | {f"Sec-WebSocket-{name}": value for name, value in changes.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
    return f"GET {path} HTTP/1.1\r\nHost: service\r\n{lines}\r\n".encode()


MALFORMED_HANDSHAKES = (
    (handshake(Key=None), "Sec-WebSocket-Key"),
    (handshake(Key="c2hvcnQ="), "Sec-WebSocket-Key"),
    (handshake(Version="8"), "Sec-WebSocket-Version"),
    (handshake(Protocol=f"bearer, {SECRET} ("), "Sec-WebSocket-Protocol"),
    (handshake(Protocol="x" * 10_000), "8192"),
)


def exchange(server: Server, request: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Send bytes; return status, headers and problem document of the answer, after which the server disconnects."""
    with connect(server) as client:
        client.sendall(request)
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    head, _, body = answer.decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert headers["content-type"] == "application/problem+json"
    assert int(headers["content-length"]) == len(body)
    document = json.loads(body)
    assert document["request_id"] == headers["x-request-id"]
    return int(first.split()[1]), headers, document


def events(server: Server) -> list[dict[str, Any]]:
    status, output = server.stop()
    assert status == 0
    assert SECRET not in output
    return [json.loads(line) for line in output.splitlines()]


def test_refusals_are_problems_with_one_line_at_info(tmp_path: Path, migrated_url: str) -> None:
    preflight = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "BREW"}
    with serving(tmp_path, migrated_url, HTTP_CORS_ORIGINS="https://shop.example") as server:
        server.wait_until_ready()
        malformed = [exchange(server, request) for request in MALFORMED]
        handshakes = [exchange(server, request) for request, _ in MALFORMED_HANDSHAKES]
        refused_websocket = exchange(server, handshake(f"/nowhere?{SECRET}"))
        refused_preflight = server.client.options("/api/v1/users", headers=preflight)
        found = events(server)
    for status, headers, document in malformed + handshakes:
        assert (status, document["code"], headers["connection"]) == (400, "bad_request", "close")
        assert_logged(found, document, "malformed_request", status=400, client="127.0.0.1")
    for (_, headers, document), (_, reason) in zip(handshakes, MALFORMED_HANDSHAKES, strict=True):
        assert headers["sec-websocket-version"] == "13"
        assert reason in document["detail"]
        assert SECRET not in document["detail"]
    status, _, document = refused_websocket
    assert (status, document["code"]) == (404, "not_found")
    assert_logged(found, document, "request", status=404, client="127.0.0.1")
    document = refused_preflight.json()
    assert (refused_preflight.status_code, document["code"]) == (400, "preflight_refused")
    assert_logged(found, document, "preflight_refused", origin=preflight["Origin"])
    assert {each["level"] for each in found} <= {"info", "debug"}


def assert_logged(found: list[dict[str, Any]], document: dict[str, Any], event: str, **fields: object) -> None:
    """Assert that a refused request has one line in the log, with these fields."""
    (line,) = [each for each in found if each.get("request_id") == document["request_id"]]
    assert line | fields | {"event": event, "level": "info"} == line
