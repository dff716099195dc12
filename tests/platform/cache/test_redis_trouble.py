"""A Redis that is full, read-only, or written to by others, and a process that is too busy to listen to it."""

import asyncio
from collections.abc import Iterator

import pytest
import structlog
import uvloop
from redis.asyncio import Redis

from app.platform.patience import answered_within
from dev.services import redis as redis_server
from tests.platform.cache.conftest import Source, Start, counted, until
from tests.platform.support.busy import burn
from tests.platform.support.silent_proxy import SilentProxy


@pytest.fixture
def own_redis() -> Iterator[str]:
    """Run a server for this test alone."""
    with redis_server() as url:
        yield url


async def test_full_redis_is_no_outage(start: Start, source: Source, own_redis: str) -> None:
    process, other = start(own_redis), start(own_redis)
    await process.read(source)
    async with Redis.from_url(own_redis) as redis:
        await redis.config_set("maxmemory", 1)
        with structlog.testing.capture_logs() as logs:
            # what is there is found, what is not comes from the source, and invalidations arrive
            assert [await process.read(source, key) for key in ("tea", "coffee", "coffee", "tea")] == [1] * 4
            source.cents = 2
            await process.prices.invalidate("tea")
            assert [await each.read(source) for each in (other, process, process)] == [2] * 3
        assert [each["event"] for each in logs] == ["cache_refused"] * 2
        await redis.config_set("maxmemory", 0)
    source.reads = 0
    assert [await each.read(source) for each in (process, other, process)] == [2] * 3
    assert source.reads == 1


async def test_server_that_a_fail_over_has_made_read_only_is_left(
    start: Start, source: Source, own_redis: str, redis_url: str
) -> None:
    async with SilentProxy(own_redis).running() as proxy, Redis.from_url(own_redis) as demoted:
        process, other = start(proxy.url), start(redis_url)
        await process.read(source)
        await demoted.replicaof("127.0.0.1", "1")
        # new connections reach the new primary, open ones stay with the old one
        proxy.lead_to(redis_url)
        await other.read(source)
        source.cents = 2
        await process.prices.invalidate("tea")
        async with asyncio.timeout(20):
            while await other.read(source) == 1:  # noqa: ASYNC110 (another process has no event of ours)
                await asyncio.sleep(0.01)
        source.cents = 3
        assert await process.read(source) == 2


async def test_reader_alone_leaves_a_read_only_server(
    start: Start, source: Source, own_redis: str, redis_url: str
) -> None:
    async with SilentProxy(own_redis).running() as proxy, Redis.from_url(own_redis) as demoted:
        process = start(proxy.url)
        await process.read(source, "coffee")
        await demoted.replicaof("127.0.0.1", "1")
        proxy.lead_to(redis_url)
        async with asyncio.timeout(20):
            while counted(process).get("hit", 0) == 0:
                await process.read(source)
                await asyncio.sleep(0.01)


async def test_outage_ends_for_a_user_who_may_not_ping(start: Start, source: Source, own_redis: str) -> None:
    async with SilentProxy(own_redis).running() as proxy, Redis.from_url(own_redis) as redis:
        may = ["+@read", "+@write", "+@scripting"]
        await redis.acl_setuser("app", enabled=True, passwords="+pw", keys="*", categories=may)
        process = start(proxy.url.replace("//", "//app:pw@"), timeout=0.1)
        await process.read(source)
        proxy.silent = True
        await process.read(source)
        proxy.silent = False
        async with asyncio.timeout(20):
            while counted(process).get("hit", 0) == 0:
                await process.read(source)
                await asyncio.sleep(0.01)


async def test_nobody_waits_for_a_connection_during_an_outage(start: Start, source: Source, proxy: SilentProxy) -> None:
    """The only one is used to ask whether Redis answers again."""
    process = start(f"{proxy.url}?max_connections=1", timeout=0.1)
    await process.read(source)
    proxy.silent = True
    await process.read(source)
    connection = process.caches._store._connection  # type: ignore[union-attr]  # noqa: SLF001
    await until(connection._free.locked)  # noqa: SLF001
    reading = asyncio.ensure_future(process.read(source, "coffee"))
    # so many turns as a read from the source needs, in no time
    for _ in range(10):
        await asyncio.sleep(0)
    assert reading.done()


async def test_key_that_somebody_else_has_written_harms_no_other(start: Start, source: Source, redis_url: str) -> None:
    process = start()
    await process.read(source)
    async with Redis.from_url(redis_url) as redis:
        keys = [each async for each in redis.scan_iter(f"*{process.name}/*tea")]
        assert len(keys) == 2
        for key in keys:
            await redis.delete(key)
            await redis.rpush(key, "garbage")
    with structlog.testing.capture_logs() as logs:
        assert [await process.read(source) for _ in range(2)] == [1, 1]
        assert [await process.read(source, "coffee") for _ in range(2)] == [1, 1]
    assert counted(process) == {"miss": 4, "hit": 1}
    assert [each["event"] for each in logs] == ["cache_refused"]


async def test_words_of_the_url_do_not_change_values(start: Start, source: Source, redis_url: str) -> None:
    process = start(f"{redis_url}?decode_responses=true&max_connections=1")
    assert [await process.read(source) for _ in range(2)] == [1, 1]
    assert await asyncio.gather(*(process.read(source, str(each)) for each in range(20))) == [1] * 20
    assert source.reads == 21


async def test_busy_process_does_not_take_itself_for_a_silent_redis(start: Start, source: Source) -> None:
    process = start(timeout=20.0)
    # opens the connections
    await asyncio.gather(*(process.read(source, str(each)) for each in range(20)))
    process.caches._store._connection._timeout = 0.2  # type: ignore[union-attr]  # noqa: SLF001

    async def work(key: str) -> None:
        for _ in range(2):
            burn(0.015)
            await process.read(source, key)

    # so one pass of the event loop takes longer than Redis may
    await asyncio.gather(*(work(str(each)) for each in range(20)))
    assert counted(process) == {"miss": 20, "hit": 40}


async def test_answer_that_needs_some_turns_of_a_busy_loop_is_waited_for() -> None:
    async with answered_within(0.01):
        for _ in range(10):
            burn(0.005)
            await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(20), answered_within(0.01):
            await asyncio.Event().wait()


def test_short_time_is_a_time_on_uvloop() -> None:
    """It rounds to milliseconds."""

    async def answered() -> None:
        async with answered_within(0.005):
            await asyncio.sleep(0.002)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(answered())


async def test_nobody_waits_longer_for_a_connection_than_for_an_answer(start: Start, source: Source) -> None:
    process = start(timeout=0.05)
    # others use all of them
    process.caches._store._connection._free = asyncio.Semaphore(0)  # type: ignore[union-attr]  # noqa: SLF001
    async with asyncio.timeout(20):
        with structlog.testing.capture_logs() as logs:
            assert await process.read(source) == 1
    assert logs == []


async def test_process_that_ends_makes_up_for_invalidations(start: Start, source: Source, proxy: SilentProxy) -> None:
    process, other = start(proxy.url, timeout=0.1), start()
    await other.read(source)
    proxy.silent = True
    source.cents = 2
    await process.prices.invalidate("tea")
    proxy.silent = False
    await process.caches.close()
    assert await other.read(source) == 2


async def test_process_that_cannot_make_up_for_invalidations_says_so(
    start: Start, source: Source, proxy: SilentProxy
) -> None:
    process = start(proxy.url, timeout=0.1)
    await process.read(source)
    proxy.silent = True
    with structlog.testing.capture_logs() as logs:
        for key in ("tea", "coffee"):
            await process.prices.invalidate(key)
        await process.caches.close()
    assert [each["event"] for each in logs] == ["cache_unavailable", "cache_invalidations_lost"]
    assert logs[-1]["count"] == 2
