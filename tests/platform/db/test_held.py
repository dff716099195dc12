"""Work that holds a connection for long is named while it does."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from structlog.testing import capture_logs

from app.platform.context import request_id
from app.platform.db import held
from app.platform.db.session import Database
from tests.support.databases import settings_for
from tests.support.server import PATIENCE


@pytest.fixture
async def watched(migrated_url: str) -> AsyncIterator[Database]:
    """Yield a database that names work after a fifth of a second."""
    database = Database(settings_for(migrated_url, hold_threshold=0.2))
    await database.init()
    yield database
    await database.close()


class Clock:
    """Measures how long work takes, because a machine that is busy may take long for short work."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(held, "time", clock)
    return clock


async def test_long_work_is_named_once_with_its_place_and_process(watched: Database, clock: Clock) -> None:
    token = request_id.set("held-1")
    with capture_logs() as logs:
        async with watched.transaction() as session:
            pid = await session.scalar(text("SELECT pg_backend_pid()"))
            clock.now += 0.2
            # while it still runs
            async with asyncio.timeout(PATIENCE):
                while not (named := [log for log in logs if log["event"] == "connection_held_long"]):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            clock.now += 0.2
            await asyncio.sleep(0.3)
            assert [log for log in logs if log["event"] == "connection_held_long"] == named
    (event,) = named
    request_id.reset(token)
    assert event["backend_pid"] == pid
    assert event["request_id"] == "held-1"
    assert event["where"].endswith(" test_long_work_is_named_once_with_its_place_and_process")
    assert "test_held.py:" in event["where"]
    assert event["seconds"] >= 0.2
    assert event["log_level"] == "warning"


async def test_short_work_is_not_named(watched: Database, clock: Clock) -> None:
    with capture_logs() as logs:
        for _ in range(8):
            async with watched.read() as session:
                await session.execute(text("SELECT pg_sleep(0.05)"))
                clock.now += 0.05
    assert [log for log in logs if log["event"] == "connection_held_long"] == []


async def test_times_are_counted(watched: Database) -> None:
    def counted(name: str) -> float:
        return REGISTRY.get_sample_value(f"{name}_count") or 0.0

    names = ("db_pool_checkout_seconds", "db_connection_held_seconds")
    before = [counted(name) for name in names]
    await watched.ping()
    assert [counted(name) for name in names] == [number + 1 for number in before]
