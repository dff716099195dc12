"""The gauges of the pools while connections and engines open, fail and close."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.platform.db.session import Database
from app.platform.errors import DatabaseUnavailable
from app.platform.settings import PoolProfile
from tests.support.databases import execute, settings_for

GAUGES = ("db_pool_idle", "db_pool_checked_out", "db_pool_overflow")


def shown() -> dict[str, float]:
    # those of all tests are many, and take long to collect
    found = REGISTRY.restricted_registry(GAUGES).collect()
    return {each.name: each.value for family in found for each in family.samples}


@pytest.fixture(scope="module", autouse=True)
def _without_engines_of_earlier_tests() -> None:
    """Remove them, and keep what is left out of the collections of these tests, which would take a second each."""
    gc.collect()
    gc.freeze()


class Pool:
    """Databases whose connections are counted, without those of other engines of the process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stack = AsyncExitStack()
        self._others = shown()

    async def database(self, **settings: Any) -> Database:
        database = Database(settings_for(self._url, pool_size=1, max_overflow=1, **settings))
        await database.init()
        self._stack.push_async_callback(database.close)
        return database

    async def close(self) -> None:
        await self._stack.aclose()

    def numbers(self) -> tuple[float, ...]:
        """Return how many connections are idle, checked out, and beyond the pool's size."""
        now = shown()
        return tuple(now[name] - self._others[name] for name in GAUGES)


@pytest.fixture
async def pool(migrated_url: str) -> AsyncIterator[Pool]:
    # its connections belong to the other engines
    first = Database(settings_for(migrated_url))
    await first.init()
    pool = Pool(migrated_url)
    yield pool
    await pool.close()
    await first.close()


async def test_connections_are_shown_as_they_come_and_go(pool: Pool) -> None:
    database = await pool.database()
    assert pool.numbers() == (0, 0, 0)
    async with database.engine.connect():
        assert pool.numbers() == (0, 1, 0)
        async with database.engine.connect():
            assert pool.numbers() == (0, 2, 1)
        assert pool.numbers() == (1, 1, 1)
    # the second one stays as long as two were needed lately
    assert pool.numbers() == (2, 0, 1)
    await database.ping()
    assert pool.numbers() == (2, 0, 1)


async def test_engines_are_added_up(pool: Pool) -> None:
    one, other = await pool.database(), await pool.database()
    await asyncio.gather(one.ping(), one.ping(), other.ping())
    assert pool.numbers() == (3, 0, 1)
    async with one.engine.connect(), one.engine.connect(), other.engine.connect():
        assert pool.numbers() == (0, 3, 1)
    await one.close()
    assert pool.numbers() == (1, 0, 0)


async def test_closed_engine_has_no_connections(pool: Pool) -> None:
    database = await pool.database()
    kept = weakref.ref(database.engine.sync_engine.pool)
    async with database.engine.connect() as connection:
        driver = await driver_connection(connection)
        await database.ping()
        await database.close()
        assert pool.numbers() == (0, 0, 0)
    # the connection in use was returned to the disposed pool, which is not counted
    assert pool.numbers() == (0, 0, 0)
    await driver.close()
    del connection
    gc.collect()
    assert kept() is None


async def test_reset_engine_has_no_connections(pool: Pool) -> None:
    database = await pool.database()
    async with database.engine.connect() as used:
        async with database.engine.connect() as idle:
            drivers = [await driver_connection(each) for each in (used, idle)]
        assert pool.numbers() == (1, 1, 1)
        await database.reset()
        assert pool.numbers() == (0, 0, 0)
    assert pool.numbers() == (0, 0, 0)
    for driver in drivers:
        await driver.close()


async def test_disposed_engine_counts_from_zero(pool: Pool) -> None:
    database = await pool.database()
    await database.ping()
    await database.engine.dispose()
    assert pool.numbers() == (0, 0, 0)
    await database.ping()
    assert pool.numbers() == (1, 0, 0)


async def test_invalidated_connection_is_gone(pool: Pool) -> None:
    database = await pool.database()
    async with database.engine.connect() as connection:
        await connection.invalidate()
        assert pool.numbers() == (0, 0, 0)
    assert pool.numbers() == (0, 0, 0)
    await database.ping()
    assert pool.numbers() == (1, 0, 0)


async def test_connection_that_died_is_gone(pool: Pool, migrated_url: str) -> None:
    database = await pool.database(pool_pre_ping=False)
    async with database.engine.connect() as connection:
        await kill_others(migrated_url)
        with pytest.raises(DBAPIError):
            await connection.execute(text("SELECT 1"))
    assert pool.numbers() == (0, 0, 0)


async def test_replaced_connection_counts_once(pool: Pool, migrated_url: str) -> None:
    database = await pool.database(pool_ping_idle=0.0)
    await database.ping()
    await kill_others(migrated_url)
    async with database.engine.connect():
        assert pool.numbers() == (0, 1, 0)
    assert pool.numbers() == (1, 0, 0)


async def test_recycled_connection_counts_once(pool: Pool) -> None:
    database = await pool.database(pool_recycle=0.001)
    for _ in range(3):
        async with database.engine.connect():
            await asyncio.sleep(0.01)
            assert pool.numbers() == (0, 1, 0)
        assert pool.numbers() == (1, 0, 0)


async def test_connection_that_cannot_be_opened_does_not_count(pool: Pool) -> None:
    unreachable = Database(settings_for("postgresql://localhost:1/none"))
    await unreachable.init()
    with pytest.raises(DatabaseUnavailable):
        await unreachable.ping()
    assert pool.numbers() == (0, 0, 0)
    await unreachable.close()


async def test_detached_connection_is_no_longer_the_pools(pool: Pool) -> None:
    database = await pool.database()
    async with database.engine.connect() as connection:
        driver = await driver_connection(connection)
        await connection.run_sync(Connection.detach)
        async with database.engine.connect():
            assert pool.numbers() == (0, 1, 0)
    assert pool.numbers() == (1, 0, 0)
    await driver.close()


async def test_without_a_pool_nothing_is_counted(pool: Pool) -> None:
    database = await pool.database(pool_profile=PoolProfile.EXTERNAL_POOLER)
    async with database.engine.connect():
        assert pool.numbers() == (0, 0, 0)


async def driver_connection(connection: AsyncConnection) -> Any:
    """Return the driver's connection, for the test to close because its pool will not."""
    return (await connection.get_raw_connection()).driver_connection


async def kill_others(url: str) -> None:
    await execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()",
    )
