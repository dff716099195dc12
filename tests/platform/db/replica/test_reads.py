"""Which reads go to a streaming replica."""

import asyncio
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select, text
from structlog.testing import capture_logs

from app.platform import context
from app.platform.db.replicas import reading_from
from app.platform.db.session import Database
from app.platform.db.shared import shared_transaction
from app.platform.db.unit_of_work import UnitOfWork
from app.platform.settings import ConfigError
from tests.platform.db.replica.helpers import PORT, Note, notes, port_of, port_used, reads_from, replicating, write
from tests.platform.support.replication import Pair
from tests.support.databases import execute, settings_for


async def test_users_read_from_the_replica_in_each_way(pair: Pair) -> None:
    await execute(pair.primary.url, "INSERT INTO notes VALUES ('there')")
    await pair.caught_up()
    async with replicating(pair.primary.url, pair.replica.url) as database:
        await reads_from(database, pair.replica)
        assert await notes(database) == ["there"]
        async with database.read() as session:
            note = await session.get(Note, "there")
            assert note
            assert note.text == "there"
            assert await session.scalar(PORT) == port_of(pair.replica)
        async with database.read() as session:
            assert (await session.scalars(select(Note))).one().text == "there"
        await execute(pair.primary.url, "TRUNCATE notes")


async def test_transactions_and_what_is_inside_them_stay_on_the_primary(pair: Pair) -> None:
    async with replicating(pair.primary.url, pair.replica.url) as database:
        await reads_from(database, pair.replica)
        async with database.transaction() as session:
            assert await session.scalar(PORT) == port_of(pair.primary)
            assert await port_used(database) == port_of(pair.primary)
        context.actor.set(context.Actor(UUID(int=2)))
        async with shared_transaction(database) as shared, shared.read() as session:
            assert await session.scalar(PORT) == port_of(pair.primary)


async def test_requests_that_may_write_and_jobs_read_from_the_primary_unless_asked(pair: Pair) -> None:
    async with replicating(pair.primary.url, pair.replica.url) as database:
        await reads_from(database, pair.replica)
        with reading_from("primary"):
            assert await port_used(database) == port_of(pair.primary)
        context.only_reads.set(False)
        assert await port_used(database) == port_of(pair.primary)
        context.only_reads.set(True)
        context.actor.set(None)
        assert await port_used(database) == port_of(pair.primary)
        with reading_from("replica"):
            assert await port_used(database) == port_of(pair.replica)
        assert await port_used(database) == port_of(pair.primary)


async def test_reads_only(pair: Pair) -> None:
    async with replicating(pair.primary.url, pair.replica.url) as database:
        await reads_from(database, pair.replica)
        with pytest.raises(RuntimeError, match="only reads"):
            async with database.read() as session:
                session.add(Note(text="new"))
                await session.flush()


async def test_without_reads_nobody_connects(pair: Pair) -> None:
    connections = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'idle replica%'"
    async with replicating(pair.primary.url, pair.replica.url, application_name="idle replica") as database:
        context.actor.set(None)
        await port_used(database)
        await asyncio.sleep(0.2)
        assert await pair.replica.ask(connections) == 0
        assert await pair.primary.ask(connections) == 1


async def test_all_hosts_of_a_cluster_may_be_named(pair: Pair) -> None:
    """The primary among them is not used as a replica."""
    both = pair.replica.url.replace(pair.replica.host, f"{pair.primary.host},{pair.replica.host}")
    async with replicating(pair.primary.url, both) as database:
        await reads_from(database, pair.replica)
        assert {await port_used(database) for _ in range(5)} == {port_of(pair.replica)}
        assert database.replicas
        await database.replicas.ping()


async def test_a_new_event_loop_begins_anew(pair: Pair) -> None:
    async with replicating(pair.primary.url, pair.replica.url) as database:
        await reads_from(database, pair.replica)
        await database.close()
        await database.init()
        await reads_from(database, pair.replica)


async def test_without_a_replica_nothing_is_added(pair: Pair) -> None:
    """Neither a choice before a read, nor a note after a write."""
    database = Database(settings_for(pair.primary.url), redis_url="redis://127.0.0.1:1/0")
    await database.init()
    assert database.replicas is None
    assert type(database.read()) is UnitOfWork
    with capture_logs() as logs:
        await write(database, "without")
    assert logs == []
    assert REGISTRY.get_sample_value("db_reads_total", {"server": "primary"}) == await reads_of_primary(database)
    await execute(pair.primary.url, "TRUNCATE notes")
    await database.close()


async def reads_of_primary(database: Database) -> float | None:
    """Return the number of reads of the primary that were counted, after one more read."""
    await port_used(database)
    return REGISTRY.get_sample_value("db_reads_total", {"server": "primary"})


@pytest.mark.parametrize("url", ["mysql://u:secret@host/app", "postgresql://u:secret@host/app?sslmod=require"])
async def test_wrong_url_is_refused_at_start(pair: Pair, url: str) -> None:
    database = Database(settings_for(pair.primary.url, replica_url=url))
    with pytest.raises(ConfigError, match=r"^DATABASE_REPLICA_URL: ") as error:
        await database.init()
    assert "secret" not in str(error.value)
    # not half of it
    with pytest.raises(ConfigError):
        await database.init()


async def test_a_table_that_the_replica_does_not_have_yet(pair: Pair) -> None:
    async with replicating(pair.primary.url, pair.replica.url) as database:
        await reads_from(database, pair.replica)
        await pair.replica.pause()
        try:
            await execute(pair.primary.url, "CREATE TABLE newer AS SELECT 1 AS number")
            async with database.read() as session:
                assert await session.scalar(text("SELECT number FROM newer")) == 1
                # the rest of the block is read from there, too
                assert await session.scalar(PORT) == port_of(pair.primary)
        finally:
            await pair.replica.resume()


async def test_writes_go_to_the_primary(pair: Pair) -> None:
    async with replicating(pair.primary.url, pair.replica.url) as database:
        await reads_from(database, pair.replica)
        await write(database, "mine")
        assert await notes(database) == ["mine"]
        await execute(pair.primary.url, "TRUNCATE notes")
