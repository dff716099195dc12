"""Notifications of PostgreSQL wake whoever listens."""

import asyncio

import pytest

from app.config import Settings
from app.platform.db.listen import listening
from app.platform.db.session import Database
from app.platform.jobs.outbox import CHANNEL
from app.platform.settings import PoolProfile
from tests.platform.jobs.rows import cut_connections, put
from tests.support.databases import settings_for
from tests.support.server import PATIENCE
from tests.support.sql import recorded_statements

pytestmark = pytest.mark.commits


async def test_notification_ends_the_wait(database: Database) -> None:
    async with asyncio.timeout(PATIENCE), listening(database.engine, CHANNEL) as wait:
        for _ in range(3):
            notified = asyncio.ensure_future(wait(2 * PATIENCE))
            await put(database)
            await notified


async def test_notification_that_came_before_the_wait_ends_it_too(database: Database) -> None:
    async with asyncio.timeout(PATIENCE), listening(database.engine, CHANNEL) as wait:
        await put(database)
        await wait(2 * PATIENCE)


async def test_silence_ends_the_wait_in_time(database: Database) -> None:
    async with asyncio.timeout(PATIENCE), listening(database.engine, CHANNEL) as wait:
        for _ in range(3):
            await wait(0.01)


@pytest.mark.parametrize("before", [False, True])
async def test_lost_connection_ends_the_wait_with_an_error(
    database: Database, settings: Settings, before: bool
) -> None:
    async with asyncio.timeout(PATIENCE), listening(database.engine, CHANNEL) as wait:
        if before:
            await cut_connections(settings, "query LIKE 'LISTEN%'")
        waiting = asyncio.ensure_future(wait(2 * PATIENCE))
        if not before:
            await cut_connections(settings, "query LIKE 'LISTEN%'")
        (outcome,) = await asyncio.gather(waiting, return_exceptions=True)
    assert isinstance(outcome, Exception)


async def test_listener_takes_no_connection_of_the_pool(database: Database) -> None:
    pool = database.engine.pool
    async with listening(database.engine, CHANNEL) as wait:
        await wait(0.01)
        assert "Current Checked out connections: 0" in pool.status()
        await database.ping()
    assert "Current Checked out connections: 0" in pool.status()


async def test_behind_an_external_pooler_it_only_waits(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url, pool_profile=PoolProfile.EXTERNAL_POOLER))
    await database.init()
    with recorded_statements(database.engine.sync_engine) as statements:
        async with listening(database.engine, CHANNEL) as wait:
            await wait(0.01)
    assert statements == []
    await database.close()
