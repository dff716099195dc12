"""Invalidation: after the commit, against loads that began before it, and while Redis does not answer."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from functools import partial

import pytest
import structlog
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.cache import connection
from app.platform.cache.caches import no_caches
from app.platform.cache.keys import Names
from app.platform.db.session import Database, SessionProvider
from app.platform.db.shared import shared_transaction
from app.platform.errors import OutcomeUnknown
from tests.platform.cache.conftest import Price, Process, Source, Start, counted, until
from tests.platform.support.silent_proxy import SilentProxy
from tests.support.databases import execute

# a commit that lasts until its server process is ended
SLOW_COMMIT = (
    "CREATE TABLE slow (number int)",
    "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NULL; END'",
    "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON slow INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION sleep()",
)
KILL = """
DO $$
BEGIN
    FOR number IN 1..1000 LOOP
        PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'PgSleep' AND pid <> pg_backend_pid();
        EXIT WHEN FOUND;
        PERFORM pg_sleep(0.01);
        PERFORM pg_stat_clear_snapshot();
    END LOOP;
END $$
"""


async def test_key_beginning_or_everything_is_invalidated(start: Start, source: Source) -> None:
    one, other = start(), start()

    async def read(*key: str) -> int:
        return (await one.prices.get(*key, load=source.load)).cents

    for key, expected in ((("tea", "green"), [2, 1, 1]), (("tea",), [3, 3, 1]), ((), [4, 4, 4])):
        for each in (("tea", "green"), ("tea", "black"), ("coffee",)):
            await read(*each)
        source.cents += 1
        await other.prices.invalidate(*key)
        assert [await read(*each) for each in (("tea", "green"), ("tea", "black"), ("coffee",))] == expected


@pytest.mark.parametrize("of_the_same_process", [True, False])
async def test_load_that_began_before_the_write_is_not_stored(
    start: Start, source: Source, of_the_same_process: bool
) -> None:
    reader = start(wait=20.0)
    writer = reader if of_the_same_process else start()
    source.open.clear()
    early = asyncio.create_task(reader.read(source))
    await until(lambda: source.reads == 1)
    source.cents = 2
    await writer.prices.invalidate("tea")
    # who comes after the write does not wait for it either
    late = asyncio.create_task(reader.read(source))
    await until(lambda: source.reads == 2)
    source.open.set()
    assert [await early, await late] == [1, 2]
    assert await start().read(source) == 2
    assert source.reads == 2


async def test_load_that_ends_late_leaves_the_newer_value(start: Start, source: Source) -> None:
    slow, other = Source(), start()
    slow.open.clear()
    early = asyncio.create_task(start(wait=20.0).read(slow))
    await until(lambda: slow.reads == 1)
    source.cents = 2
    await other.prices.invalidate("tea")
    assert await other.read(source) == 2
    slow.open.set()
    assert await early == 1
    assert [await other.read(source), source.reads] == [2, 1]


@pytest.mark.commits
async def test_value_is_invalidated_when_the_outermost_transaction_has_committed(
    start: Start, source: Source, database: Database, redis_url: str
) -> None:
    process, other = start(), start()
    await process.read(source)
    async with Redis.from_url(redis_url) as redis:
        names = Names.of(process.prices._prefix, "", ("tea",))  # noqa: SLF001
        kept: list[bool] = []
        async with shared_transaction(database) as steps:
            async with steps.transaction() as session:
                await session.execute(text("SELECT 1"))
                process.prices.invalidate_after(session, "tea")
            # the step has ended, the transaction has not
            kept.append(bool(await redis.exists(names.versions[-1])))
            source.cents = 2
        kept.append(bool(await redis.exists(names.versions[-1])))
    assert kept == [True, False]
    assert await other.read(source) == 2


@pytest.mark.commits
async def test_rollback_invalidates_nothing_and_unknown_outcome_does(
    start: Start, source: Source, database: Database, migrated_url: str
) -> None:
    process = start()
    await process.read(source)
    with pytest.raises(LookupError):
        async with database.transaction() as session:
            process.prices.invalidate_after(session, "tea")
            raise LookupError
    source.cents = 2
    assert await process.read(source) == 1
    await execute(migrated_url, *SLOW_COMMIT)
    working = asyncio.ensure_future(change(process, database))
    await execute(migrated_url, KILL)
    with pytest.raises(OutcomeUnknown):
        await working
    assert await process.read(source) == 2


async def change(process: Process, database: Database) -> None:
    async with database.transaction() as session:
        process.prices.invalidate_after(session, "tea")
        await session.execute(text("INSERT INTO slow VALUES (1)"))


async def test_block_invalidates_also_when_it_fails(start: Start, source: Source) -> None:
    process = start()
    await process.read(source)
    with pytest.raises(LookupError):
        async with process.prices.invalidating("tea"):
            source.cents = 2
            raise LookupError
    assert await process.read(source) == 2


@pytest.mark.commits
async def test_block_on_a_provider_invalidates_when_what_it_wrote_is_committed(
    start: Start, source: Source, database: Database
) -> None:
    process, other = start(), start()

    async def read_elsewhere() -> int:
        return await asyncio.create_task(other.read(source), context=Context())

    await process.read(source)
    async with shared_transaction(database) as steps:
        async with process.prices.invalidating("tea", provider=steps):
            source.cents = 2
        seen = [await read_elsewhere()]
    seen.append(await read_elsewhere())
    async with database.transaction():
        # inside of another unit of work, which it is no part of
        async with process.prices.invalidating("tea", provider=database):
            source.cents = 3
        seen.append(await read_elsewhere())
    assert seen == [1, 2, 3]


@pytest.mark.commits
async def test_block_on_a_provider_of_another_kind_is_refused_inside_a_unit_of_work(
    start: Start, source: Source, database: Database
) -> None:
    class Counting:
        """Counts transactions: of the database, or of a shared one."""

        def __init__(self, provider: SessionProvider) -> None:
            self._provider = provider
            self.counted = 0

        def transaction(self, *, autoflush: bool = True) -> AbstractAsyncContextManager[AsyncSession]:
            self.counted += 1
            return self._provider.transaction(autoflush=autoflush)

        def read(self) -> AbstractAsyncContextManager[AsyncSession]:
            return self._provider.read()

    process = start()
    await process.read(source)
    async with shared_transaction(database) as steps:
        # nobody knows whether this shares the open transaction
        with pytest.raises(RuntimeError, match="use `invalidate_after` instead of `invalidating`"):
            async with process.prices.invalidating("tea", provider=Counting(steps)):
                pytest.fail("the block has begun")
    async with process.prices.invalidating("tea", provider=Counting(database)):
        source.cents = 2
    assert await process.read(source) == 2


async def test_caches_that_are_off_need_no_process(source: Source) -> None:
    prices = no_caches().shared("prices", Price)
    async with prices.invalidating("tea"):
        source.cents = 2
    assert [(await prices.get("tea", load=source.load)).cents for _ in range(2)] == [2, 2]
    assert source.reads == 2
    with pytest.raises(TypeError, match="a key cannot have a part of type float"):
        await prices.invalidate(0.5)  # type: ignore[arg-type]


async def test_silent_redis_is_left_alone_and_reads_work(start: Start, source: Source, proxy: SilentProxy) -> None:
    process, other = start(proxy.url, timeout=0.2), start()
    await process.read(source)
    proxy.silent = True
    with structlog.testing.capture_logs() as logs:
        source.cents = 2
        source.open.clear()
        callers = [asyncio.create_task(process.read(source)) for _ in range(20)]
        await until(lambda: source.reads == 2)
        await until(lambda: sum(counted(process).values()) == 21)
        source.open.set()
        assert await asyncio.gather(*callers) == [2] * 20
        assert source.reads == 2
        # this write does not reach the other processes, which go on with what they have
        await process.prices.invalidate("tea")
        assert await other.read(source) == 1
        assert await process.read(source) == 2
        proxy.silent = False
        # it is made up for without another call; what was sent into the silence is lost, so over a new connection
        while await other.read(source) == 1:  # noqa: ASYNC110 (another process has no event of ours)
            await asyncio.sleep(0.01)
        assert await process.read(source) == 2
    assert [each["event"] for each in logs] == ["cache_unavailable", "cache_answers_again"]


@pytest.mark.commits
@pytest.mark.parametrize("keys", [("milk",), ("tea", "coffee")], ids=["at once", "after a transaction"])
async def test_writer_that_is_cancelled_after_its_commit_invalidates_all_the_same(
    start: Start, source: Source, proxy: SilentProxy, database: Database, keys: Sequence[str]
) -> None:
    process, other = start(proxy.url, timeout=20.0), start()
    for key in keys:
        await other.read(source, key)
    source.cents = 2
    proxy.silent = True

    async def write() -> None:
        if len(keys) == 1:
            await process.prices.invalidate(*keys)
            return
        async with database.transaction() as session:
            for key in keys:
                process.prices.invalidate_after(session, key)

    writer = asyncio.create_task(write())
    await until(partial(has_accepted, proxy, 1))
    writer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writer
    proxy.silent = False
    proxy.cut()
    async with asyncio.timeout(20):
        while {await other.read(source, key) for key in keys} != {2}:  # noqa: ASYNC110 (another process has no event of ours)
            await asyncio.sleep(0.01)


def has_accepted(proxy: SilentProxy, connections: int) -> bool:
    return proxy.accepted >= connections


async def test_refused_connection_and_stopped_server_are_no_errors_of_the_reader(start: Start, source: Source) -> None:
    process = start("redis://127.0.0.1:1/0")
    async with process.prices.invalidating("tea"):
        assert [await process.read(source) for _ in range(2)] == [1, 1]
    assert source.reads == 2
    assert counted(process) == {"error": 2}


async def test_cut_connection_is_opened_again_at_once(start: Start, source: Source, proxy: SilentProxy) -> None:
    process = start(proxy.url)
    await process.read(source)
    proxy.cut()
    assert await process.read(source) == 1
    assert counted(process) == {"miss": 1, "hit": 1}


async def test_many_missed_invalidations_become_one_of_the_whole_cache(
    start: Start, source: Source, proxy: SilentProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_MISSED", 2)
    process, other = start(proxy.url, timeout=0.1), start()
    await other.read(source)
    proxy.silent = True
    for number in range(4):
        await process.prices.invalidate(f"key {number}")
    source.cents = 2
    assert await other.read(source) == 1
    proxy.silent = False
    async with asyncio.timeout(20):
        while await other.read(source) == 1:  # noqa: ASYNC110 (another process has no event of ours)
            await asyncio.sleep(0.01)
