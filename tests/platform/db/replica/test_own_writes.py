"""What a user has written is in what the user reads next, in each process, however far the replica is behind."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from app.platform import context
from app.platform.db import recent_writers
from app.platform.db.recent_writers import RecentWriters, written_for
from app.platform.db.replicas import MARGIN
from app.platform.db.session import Database
from tests.platform.db.replica.conftest import USER
from tests.platform.db.replica.helpers import Note, notes, port_of, port_used, reads_from, replicating, write
from tests.platform.support.replication import Pair, eventually
from tests.platform.support.silent_proxy import SilentProxy
from tests.support.databases import execute

MAX_LAG = 2.0


def sign_in(user: UUID) -> None:
    context.actor.set(context.Actor(user))


@pytest.fixture
async def stale(pair: Pair) -> AsyncIterator[Pair]:
    """Yield a pair whose replica replays nothing more, which is noticed only after `MAX_LAG`."""
    await execute(pair.primary.url, "TRUNCATE notes")
    await pair.caught_up()
    yield pair
    await pair.replica.resume()


async def test_the_writer_sees_the_change_and_others_go_on_reading_from_the_replica(stale: Pair) -> None:
    async with replicating(stale.primary.url, stale.replica.url, replica_max_lag=MAX_LAG) as database:
        await reads_from(database, stale.replica)
        await stale.replica.pause()
        await write(database, "mine")
        assert await notes(database) == ["mine"]
        sign_in(uuid4())
        assert await port_used(database) == port_of(stale.replica)
        assert await notes(database) == []


async def test_a_write_counts_for_longer_than_any_replica_in_use_is_behind(stale: Pair) -> None:
    async with replicating(stale.primary.url, stale.replica.url, replica_max_lag=MAX_LAG) as database:
        await reads_from(database, stale.replica)
        await stale.replica.pause()
        await write(database, "mine")
        other, until = uuid4(), time.monotonic() + MAX_LAG + MARGIN + 2
        while time.monotonic() < until:
            sign_in(USER)
            assert await notes(database) == ["mine"]
            sign_in(other)
            if port_of(stale.replica) == await port_used(database):
                assert time.monotonic() < until - 2
            await asyncio.sleep(0.05)
        await stale.replica.resume()
        sign_in(USER)
        await reads_from(database, stale.replica)
        assert await notes(database) == ["mine"]


async def test_processes_tell_each_other_by_redis(stale: Pair, redis_url: str) -> None:
    where = (stale.primary.url, stale.replica.url, redis_url)
    name = str(uuid4())
    async with (
        replicating(*where, replica_max_lag=MAX_LAG, application_name=name) as one,
        replicating(*where, replica_max_lag=MAX_LAG, application_name=name) as other,
    ):
        await reads_from(one, stale.replica)
        await reads_from(other, stale.replica)
        await stale.replica.pause()
        await write(one, "mine")
        assert await notes(other) == ["mine"]
        sign_in(uuid4())
        assert await port_used(other) == port_of(stale.replica)


async def test_without_redis_a_process_knows_its_own_writers_only(stale: Pair) -> None:
    urls = (stale.primary.url, stale.replica.url)
    async with replicating(*urls) as one, replicating(*urls) as other:
        await reads_from(other, stale.replica)
        await write(one, "mine")
        assert await port_used(one) == port_of(stale.primary)
        assert await port_used(other) == port_of(stale.replica)


async def test_all_that_wait_for_a_silent_redis_are_one_line_of_the_log(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_writers, "_REDIS_TIMEOUT", 0.05)
    async with SilentProxy(redis_url).running() as proxy:
        proxy.silent = True
        writers = RecentWriters(5, proxy.url, "service")
        with capture_logs() as logs:
            assert await asyncio.gather(*(writers.has(uuid4()) for _ in range(20))) == [True] * 20
        assert [each["event"] for each in logs] == ["recent_writers_fallback"]
        await writers.close()


async def test_while_redis_is_silent_nobody_is_sure_so_all_read_from_the_primary(pair: Pair, redis_url: str) -> None:
    async with (
        SilentProxy(redis_url).running() as proxy,
        replicating(pair.primary.url, pair.replica.url, proxy.url, replica_max_lag=0.1) as database,
    ):
        await reads_from(database, pair.replica)
        proxy.silent = True
        started = time.monotonic()
        with capture_logs() as logs:
            await write(database, "silent")
            await write(database, "still silent")
        # one write in a second waits, and not for long
        assert time.monotonic() - started < 1
        assert [each["event"] for each in logs] == ["recent_writers_fallback"]
        sign_in(uuid4())
        started = time.monotonic()
        assert await port_used(database) == port_of(pair.primary)
        assert time.monotonic() - started < 0.3
        proxy.silent = False
        await reads_from(database, pair.replica)


async def test_redis_that_is_down_costs_reads_of_the_replica_but_no_request(pair: Pair) -> None:
    async with replicating(pair.primary.url, pair.replica.url, "redis://127.0.0.1:1/0") as database:
        assert database.replicas
        await database.replicas.ping()
        assert await port_used(database) == port_of(pair.primary)
        await write(database, "without redis")


async def test_what_was_rolled_back_does_not_count(pair: Pair) -> None:
    async with replicating(pair.primary.url, pair.replica.url) as database:
        await reads_from(database, pair.replica)
        with pytest.raises(LookupError):
            async with database.transaction() as session:
                session.add(Note(text="never"))
                await session.flush()
                raise LookupError
        assert await port_used(database) == port_of(pair.replica)


async def test_what_a_block_has_committed_itself_counts(pair: Pair) -> None:
    async with replicating(pair.primary.url, pair.replica.url) as database:
        await reads_from(database, pair.replica)
        with pytest.raises(LookupError):
            async with database.get_session() as session:
                session.add(Note(text="committed"))
                await session.commit()
                raise LookupError
        assert await port_used(database) == port_of(pair.primary)


async def test_a_transaction_may_be_that_of_another_user(pair: Pair) -> None:
    new = uuid4()
    async with replicating(pair.primary.url, pair.replica.url) as database:
        await reads_from(database, pair.replica)
        context.actor.set(None)
        async with database.transaction() as session:
            session.add(Note(text="registered"))
            written_for(session, new)
        sign_in(new)
        assert await port_used(database) == port_of(pair.primary)


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> None:
    monkeypatch.setattr(recent_writers, "MAX_USERS", 3)
    writers = RecentWriters(0.3, None, "service")

    async def note(user: UUID, database: Database) -> None:
        async with database.read() as session:
            written_for(session, user)
            await writers.note(session)

    async with replicating(pair.primary.url, pair.replica.url) as database:
        users = [uuid4() for _ in range(4)]
        for user in users[:3]:
            await note(user, database)
        assert not await writers.has(uuid4())
        with capture_logs() as logs:
            await note(users[3], database)
        assert [each["event"] for each in logs] == ["recent_writers_forgotten"]
        # nobody knows who was forgotten
        assert await writers.has(users[0])
        assert await writers.has(uuid4())

        async def all_forgotten() -> bool:
            return not [each for each in users if await writers.has(each)]

        await eventually(all_forgotten, 2)
