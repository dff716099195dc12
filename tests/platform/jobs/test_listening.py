"""PostgreSQL's notifications end the wait of a listener."""

import asyncio

import pytest

from app.config import Settings
from app.platform.db.listen import listening
from app.platform.db.session import Database
from app.platform.jobs.outbox import CHANNEL
from app.platform.settings import PoolProfile
from tests.platform.jobs.rows import cut_connections, insert_job
from tests.support.databases import settings_for
from tests.support.server import PATIENCE
from tests.support.sql import recorded_statements

pytestmark = pytest.mark.commits


async def test_notification_ends_the_wait(database: Database) -> None:
    async with asyncio.timeout(PATIENCE), listening(database.engine, CHANNEL) as wait:
        for _ in range(3):
            notified = asyncio.ensure_future(wait(2 * PATIENCE))
            await insert_job(database)
            await notified


async def test_earlier_notification_ends_the_wait(database: Database) -> None:
    async with asyncio.timeout(PATIENCE), listening(database.engine, CHANNEL) as wait:
        await insert_job(database)
        await wait(2 * PATIENCE)


async def test_wait_ends_in_time_without_a_notification(database: Database) -> None:
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


async def test_listener_behind_an_external_pooler_only_waits(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url, pool_profile=PoolProfile.EXTERNAL_POOLER))
    await database.init()
    with recorded_statements(database.engine.sync_engine) as statements:
        async with listening(database.engine, CHANNEL) as wait:
            await wait(0.01)
    assert statements == []
    await database.close()
