"""A client that disconnects during an import: nothing is stored, and the service keeps working."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import text

from app.features.orders.models import Order
from app.platform.db.session import Database
from tests.features.orders.baskets import BASKET, rows
from tests.platform.process.test_serving import sign_up
from tests.platform.support.disconnects import connect, part_of_request, requests_and_warnings, wait_for_statuses
from tests.support.server import PATIENCE, Server, serving

IMPORT = "/api/v1/orders/import"
BATCH = 1000 * (json.dumps(BASKET.model_dump()).encode() + b"\n")
STORED = text(
    "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"
)


async def begin_and_disconnect(server: Server, request: bytes, database: Database) -> None:
    """Send some orders, and disconnect when the service has inserted them and waits for more."""
    with connect(server) as client:
        await asyncio.to_thread(client.sendall, request)
        async with asyncio.timeout(PATIENCE):
            while True:
                async with database.read() as session:
                    if await session.scalar(STORED):
                        return
                await asyncio.sleep(0.02)


@pytest.mark.commits
async def test_interrupted_import_stores_nothing(tmp_path: Path, migrated_url: str, database: Database) -> None:
    with serving(tmp_path, migrated_url, DB_POOL_SIZE="1", DB_MAX_OVERFLOW="0") as server:
        server.wait_until_ready()
        headers = sign_up(server)
        for chunked in (False, True):
            request = part_of_request(
                IMPORT, BATCH + b'{"li', headers | {"Content-Type": "application/x-ndjson"}, chunked=chunked
            )
            await begin_and_disconnect(server, request, database)
        assert wait_for_statuses(server, IMPORT, 2) == {"499": 2}
        # works only if the pool's only connection is free again
        page = server.client.get("/api/v1/orders", headers=headers)
        assert (page.status_code, page.json()["items"]) == (200, [])
        events = requests_and_warnings(server)
    assert await rows(database, Order) == 0
    imports = [(event["level"], event["status"]) for event in events if event.get("route") == IMPORT]
    assert imports == [("info", 499)] * 2
    assert {event["level"] for event in events} == {"info"}
