"""Many clients share the few connections of a real PgBouncer in transaction mode."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.platform.db.creating import create_alone
from app.platform.db.errors import translate
from app.platform.db.session import Database
from app.platform.errors import DatabaseUnavailable, QueryTimeout, WriteConflict
from app.platform.settings import PoolProfile
from tests.platform.support.library import Kind, Shelf, ShelfLabel, library
from tests.platform.support.pgbouncer import limit_role, pgbouncer
from tests.support.databases import execute, settings_for

CLIENTS = 64
ROUNDS = 4
STATEMENTS = 10
LOCK = text("SELECT pg_advisory_xact_lock(42)")
LIMITS = {"statement_timeout": 400, "lock_timeout": 200, "idle_in_transaction_session_timeout": 300}


@pytest.fixture
async def pooled(pooled_url: str) -> AsyncIterator[Database]:
    database = Database(settings_for(pooled_url, pool_profile=PoolProfile.EXTERNAL_POOLER))
    await database.init()
    yield database
    await database.close()


@pytest.fixture
async def limited(migrated_url: str) -> AsyncIterator[Database]:
    await limit_role(migrated_url, **LIMITS)
    with pgbouncer(migrated_url) as url:
        database = Database(settings_for(url, pool_profile=PoolProfile.EXTERNAL_POOLER))
        await database.init()
        yield database
        await database.close()


async def shown(database: Database, name: str) -> str:
    async with database.read() as session:
        return str(await session.scalar(text(f"SHOW {name}")))


async def servers_of(url: str) -> int:
    """Return how many connections a pooler has opened to the database."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    database = Database(settings_for(url))
    await database.init()
    async with database.read() as session:
        number = int(await session.scalar(text(others)) or 0)
    await database.close()
    return number


async def count_up(database: Database, client: int) -> None:
    """Insert rows of one client, and compare each answer."""
    add = text("INSERT INTO counted VALUES (:client, :number) RETURNING client * 1000 + number")
    sum_up = text("SELECT count(*), coalesce(sum(number), 0) FROM counted WHERE client = :client")
    for round_ in range(ROUNDS):
        numbers = range(round_ * STATEMENTS, (round_ + 1) * STATEMENTS)
        async with database.transaction() as session:
            for number in numbers:
                added = await session.scalar(add, {"client": client, "number": number})
                assert added == client * 1000 + number
        async with database.read() as session:
            expected = (numbers.stop, sum(range(numbers.stop)))
            assert (await session.execute(sum_up, {"client": client})).one() == expected


async def test_every_answer_of_many_clients_is_right(pooled: Database, migrated_url: str) -> None:
    await execute(migrated_url, "CREATE TABLE counted (client int, number int)")
    async with asyncio.TaskGroup() as group:
        for client in range(CLIENTS):
            group.create_task(count_up(pooled, client))
    async with pooled.read() as session:
        rows = await session.scalar(text("SELECT count(*) FROM counted"))
    assert rows == CLIENTS * ROUNDS * STATEMENTS
    assert await servers_of(migrated_url) == 5


async def test_reads_of_many_clients_between_each_other_are_right(pooled: Database) -> None:
    async def read(client: int) -> None:
        async with pooled.read() as session:
            for number in range(2 * STATEMENTS):
                doubled = await session.scalar(text("SELECT CAST(:number AS int) * 2"), {"number": client + number})
                assert doubled == (client + number) * 2

    async with asyncio.TaskGroup() as group:
        for client in range(CLIENTS):
            group.create_task(read(client))


async def test_rollback_is_that_of_its_own_client(pooled: Database, migrated_url: str) -> None:
    await execute(migrated_url, "CREATE TABLE counted (client int)")

    async def write(client: int) -> None:
        async with pooled.get_session() as session:
            await session.execute(text("INSERT INTO counted VALUES (:client)"), {"client": client})
            await (session.commit() if client % 2 else session.rollback())

    async with asyncio.TaskGroup() as group:
        for client in range(CLIENTS):
            group.create_task(write(client))
    async with pooled.read() as session:
        kept = set(await session.scalars(text("SELECT client FROM counted")))
    assert kept == set(range(1, CLIENTS, 2))


async def test_creates_of_many_clients_are_stored(pooled: Database, migrated_url: str) -> None:
    async with library(migrated_url):
        async with asyncio.TaskGroup() as group:
            for client in range(CLIENTS):
                shelf = {"label": f"new {client:02}", "kind": Kind.SMALL, "about": None}
                group.create_task(create_alone(pooled, Shelf, ShelfLabel, shelf))
        async with pooled.read() as session:
            stored = await session.scalars(select(Shelf.label).where(Shelf.label.like("new%")).order_by(Shelf.label))
        assert stored.all() == [f"new {client:02}" for client in range(CLIENTS)]


async def test_sessions_are_in_utc_whatever_others_have(migrated_url: str) -> None:
    await limit_role(migrated_url, timezone="Europe/Berlin")
    with pgbouncer(migrated_url, servers=1) as url:
        database = Database(settings_for(url, pool_profile=PoolProfile.EXTERNAL_POOLER))
        await database.init()
        async with database.engine.connect() as other:
            await other.execute(text("SET timezone TO 'Asia/Tokyo'"))
            await other.commit()
            assert await shown(database, "timezone") == "UTC"
            assert await other.scalar(text("SHOW timezone")) == "Asia/Tokyo"
        assert await shown(database, "timezone") == "UTC"
        await database.close()


async def test_timeouts_of_the_role_are_in_force(limited: Database) -> None:
    found = [await shown(limited, name) for name in LIMITS]
    assert found == ["400ms", "200ms", "300ms"]


async def test_statement_is_cancelled(limited: Database) -> None:
    with pytest.raises(DBAPIError) as cancelled:
        async with limited.read() as session:
            await session.execute(text("SELECT pg_sleep(60)"))
    assert isinstance(translate(cancelled.value), QueryTimeout)
    await limited.ping()


async def test_waiting_for_a_lock_ends(limited: Database, migrated_url: str) -> None:
    holder = Database(settings_for(migrated_url))
    await holder.init()
    async with holder.transaction() as session:
        await session.execute(LOCK)
        with pytest.raises(DBAPIError) as refused:
            async with limited.transaction() as waiting:
                await waiting.execute(LOCK)
    assert isinstance(translate(refused.value), WriteConflict)
    await holder.close()


async def test_transaction_that_idles_is_ended(limited: Database) -> None:
    with pytest.raises(DBAPIError) as ended:
        async with limited.transaction() as session:
            await session.execute(text("SELECT 1"))
            await asyncio.sleep(0.9)
            await session.execute(text("SELECT 1"))
    assert isinstance(translate(ended.value), QueryTimeout | DatabaseUnavailable)
    await limited.ping()
