"""Clients that wait or disconnect during an import: no connection waits for them, and nothing is stored."""

import asyncio
import json
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text

from app.features.orders.models import Order
from app.platform.db.session import Database
from tests.features.orders.baskets import BASKET, rows
from tests.platform.process.database.test_serving import sign_up
from tests.platform.support.disconnects import connect, part_of_request, requests_and_warnings, wait_for_statuses
from tests.support.server import PATIENCE, Server, serving

IMPORT = "/api/v1/orders/import"
NDJSON = {"Content-Type": "application/x-ndjson"}
BATCH = 3000 * (json.dumps(BASKET.model_dump()).encode() + b"\n")
OPEN = text("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()")


def start_import(client: socket.socket, headers: dict[str, str], *, chunked: bool) -> None:
    """Send a part of an import, and return when the service has begun to receive it."""
    asked = headers | NDJSON | {"Expect": "100-continue"}
    client.sendall(part_of_request(IMPORT, BATCH + b'{"li', asked, chunked=chunked))
    # the server sends it when the route asks for the body
    assert client.recv(4096).startswith(b"HTTP/1.1 100 ")


def wait_until_both_left(server: Server) -> None:
    """Wait until the service has noticed that both clients have left."""
    deadline = time.monotonic() + PATIENCE
    while wait_for_statuses(server, IMPORT, 1).get("499") != 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.commits
async def test_slow_imports_hold_no_connection_and_store_nothing_when_they_end(
    tmp_path: Path, migrated_url: str, database: Database
) -> None:
    with serving(tmp_path, migrated_url, DB_POOL_SIZE="1", DB_MAX_OVERFLOW="0", DB_POOL_TIMEOUT="3") as server:
        server.wait_until_ready()
        headers = sign_up(server)
        with ExitStack() as clients:
            for chunked in (False, True):
                client = clients.enter_context(connect(server))
                await asyncio.to_thread(start_import, client, headers, chunked=chunked)
            refused = server.client.post(IMPORT, headers=headers | NDJSON, content=b"")
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_uploads")
            async with database.read() as session:
                assert await session.scalar(OPEN) == 0
            # works only if the pool's only connection is free
            page = server.client.get("/api/v1/orders", headers=headers)
            assert (page.status_code, page.json()["items"]) == (200, [])
        wait_until_both_left(server)
        again = server.client.post(IMPORT, headers=headers | NDJSON, content=BATCH)
        assert again.json() == {"imported": 3000}
        events = requests_and_warnings(server)
    assert await rows(database, Order) == 3000
    assert [event["status"] for event in events if event.get("route") == IMPORT].count(499) == 2
    assert {event["level"] for event in events} == {"info"}


@pytest.mark.commits
async def test_import_that_drips_is_ended(tmp_path: Path, migrated_url: str) -> None:
    with serving(tmp_path, migrated_url, HTTP_BODY_TIMEOUT="1") as server:
        server.wait_until_ready()
        headers = sign_up(server) | NDJSON
        with connect(server) as client:
            client.sendall(part_of_request(IMPORT, b"\n", headers, chunked=False))
            answer = b""
            async with asyncio.timeout(PATIENCE):
                while part := await asyncio.to_thread(client.recv, 65_536):
                    answer += part
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"body_timeout" in answer
