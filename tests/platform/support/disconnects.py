"""Clients that disconnect, and the service's log and metrics about them."""

import json
import socket
import time
from typing import Any

from tests.support.server import PATIENCE, Server


def connect(server: Server) -> socket.socket:
    """Open a connection to the service, which is closed at the end of a `with` block."""
    url = server.client.base_url
    return socket.create_connection((url.host, url.port or 80), timeout=PATIENCE)


def part_of_request(path: str, body: bytes, headers: dict[str, str], *, chunked: bool) -> bytes:
    """Return a request whose body is incomplete: the head, and the given part of the body."""
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body) + 1000)}
    fields = "".join(f"{name}: {value}\r\n" for name, value in (headers | framing).items())
    head = f"POST {path} HTTP/1.1\r\nHost: service\r\n{fields}\r\n".encode()
    return head + (b"%x\r\n%s\r\n" % (len(body), body) if chunked and body else body)


def wait_for_statuses(server: Server, route: str, count: int) -> dict[str, int]:
    """Wait until `/metrics` has `count` requests of a route, and return their number by status."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = _statuses(server, route)
        if sum(found.values()) >= count:
            return found
        assert time.monotonic() < deadline, f"not {count} requests of {route}: {found}"
        time.sleep(0.05)


def requests_and_warnings(server: Server) -> list[dict[str, Any]]:
    """Stop the service; return its log of requests, and all events with a level above info.

    Skip slow statements, because the machine causes them and not the client.
    """
    code, output = server.stop()
    assert code == 0
    assert "Traceback" not in output
    events = [json.loads(line) for line in output.splitlines()]
    return [
        event
        for event in events
        if event["event"] == "request" or (event["level"] not in {"info", "debug"} and event["event"] != "slow_sql")
    ]


def _statuses(server: Server, route: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in server.client.get("/metrics").text.splitlines():
        if line.startswith("http_request_duration_seconds_count{") and f'route="{route}"' in line:
            labels, _, value = line.rpartition(" ")
            found[labels.partition('status="')[2].partition('"')[0]] = int(float(value))
    return found
