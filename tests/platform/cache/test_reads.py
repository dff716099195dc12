"""Reads through a cache: hits, keys, one load for many callers, and what is never stored."""

import asyncio
from contextvars import ContextVar
from enum import StrEnum
from typing import Any
from uuid import uuid4

import pytest
import structlog
from pydantic import BaseModel
from redis.asyncio import Redis

from app.platform.cache.caches import Caches
from app.platform.cache.keys import Names
from app.platform.cache.settings import CacheSettings
from app.platform.context import Actor, actor, actor_id
from app.platform.db.session import Database
from tests.platform.cache.conftest import Price, Source, Start, counted, until


class Kind(StrEnum):
    """A part of a key."""

    TEA = "tea"


async def test_value_is_loaded_once_for_all_processes(start: Start, source: Source) -> None:
    one, other = start(), start()
    assert [await each.read(source) for each in (one, one, other)] == [1, 1, 1]
    assert source.reads == 1
    assert counted(one) == {"miss": 1, "hit": 2}


async def test_cache_that_is_off_asks_the_source_and_nobody_else(source: Source) -> None:
    caches = Caches(CacheSettings.model_construct(), "redis://127.0.0.1:1/0", "shop", 1.0)
    prices = caches.shared("price", Price)
    async with prices.invalidating("tea"):
        assert [(await prices.get("tea", load=source.load)).cents for _ in range(2)] == [1, 1]
    assert source.reads == 2
    await caches.close()


async def test_many_callers_of_many_processes_cause_one_load(start: Start, source: Source) -> None:
    processes = [start(wait=20.0) for _ in range(3)]
    source.open.clear()
    callers = [asyncio.create_task(each.read(source)) for each in processes * 40]
    await until(lambda: sum(counted(processes[0]).values()) == 120)
    # the first one is cancelled; the others get what it has begun to load
    callers[0].cancel()
    await asyncio.sleep(0)
    source.open.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [1] * 119
    assert source.reads == 1


async def test_process_that_missed_a_value_finds_it_before_it_loads(start: Start, source: Source) -> None:
    process, other = start(), start()
    begin = other.prices._store.begin  # type: ignore[union-attr]  # noqa: SLF001

    async def begin_late(*given: Any, **named: Any) -> Any:
        await process.read(source)
        return await begin(*given, **named)

    other.prices._store.begin = begin_late  # type: ignore[method-assign,union-attr]  # noqa: SLF001
    assert await other.read(source) == 1
    assert source.reads == 1


async def test_process_waits_no_longer_for_another_one_than_the_source_may_take(start: Start, source: Source) -> None:
    slow, quick = Source(), start(wait=60.0, longest_wait=0.05)
    slow.open.clear()
    stuck = asyncio.create_task(start(wait=60.0).read(slow))
    await until(lambda: slow.reads == 1)
    assert await quick.read(source) == 1
    slow.open.set()
    assert await stuck == 1


async def test_error_reaches_all_callers_and_is_not_stored(start: Start, source: Source) -> None:
    process, asked = start(), asyncio.Event()

    async def fail() -> Price:
        await asked.wait()
        raise LookupError

    callers = [asyncio.create_task(process.prices.get("tea", load=fail)) for _ in range(3)]
    await until(lambda: sum(counted(process).values()) == 3)
    asked.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(each) for each in results] == [LookupError] * 3
    assert await start(wait=60.0).read(source) == 1


async def test_value_ends_with_its_time(start: Start, source: Source, redis_url: str) -> None:
    process = start(ttl=0.2)
    await process.read(source)
    async with Redis.from_url(redis_url) as redis:
        (value,) = [each async for each in redis.scan_iter(f"*{process.name}/values-*")]
        assert 0 < await redis.pttl(value) <= 200
        while await redis.exists(value):  # noqa: ASYNC110 (the server sends no event)
            await asyncio.sleep(0.02)
    source.cents = 2
    assert await process.read(source) == 2


async def test_value_that_does_not_validate_is_replaced(start: Start, source: Source, redis_url: str) -> None:
    process = start()
    await process.read(source)
    async with Redis.from_url(redis_url) as redis:
        (value,) = [each async for each in redis.scan_iter(f"*{process.name}/values-*")]
        await redis.setrange(value, 64, b'{"cents": "many"}')
    with structlog.testing.capture_logs() as logs:
        assert [await process.read(source) for _ in range(2)] == [1, 1]
    assert source.reads == 2
    assert [each["event"] for each in logs] == ["cache_value_invalid"]


async def test_release_with_another_model_reads_no_older_values(start: Start, source: Source) -> None:
    class PriceWithTax(Price):
        tax: int = 7

    older, newer = start(), start()
    await older.read(source)
    same_name = start().caches
    taxed = same_name.shared(f"{older.name}x", Price, version=2)
    await start().caches.shared(f"{older.name}x", Price).get("tea", load=source.load)
    await taxed.get("tea", load=source.load)
    assert source.reads == 3
    # but what one release invalidates, the other one forgets
    await newer.prices.invalidate("tea")
    assert await older.read(source) == 1
    assert source.reads == 4
    assert Names.of("p", "1", ("a",)).versions == Names.of("p", "2", ("a",)).versions
    assert Names.of("p", "1", ("a",)).value != Names.of("p", "2", ("a",)).value
    schemas = {start().caches.shared(uuid4().hex, kind)._schema for kind in (Price, PriceWithTax)}  # noqa: SLF001
    assert len(schemas) == 2


def test_different_keys_have_different_names() -> None:
    keys = [("a",), ("a", "b"), ("a/b",), ("a", ""), ("",), (), ("x" * 81,), ("x" * 82,), ("#x",), (uuid4(),)]
    assert len({Names.of("p", "s", key).value for key in keys}) == len(keys)
    assert Names.of("p", "s", (Kind.TEA, 1)) == Names.of("p", "s", ("tea", 1))
    with pytest.raises(TypeError, match="a part of type list"):
        Names.of("p", "s", (["a"],))  # type: ignore[arg-type]


def test_name_stands_for_one_cache(start: Start) -> None:
    caches = start().caches
    assert caches.shared("one", Price) is caches.shared("one", Price)
    for make in (lambda: caches.per_user("one", Price), lambda: caches.shared("one", Price, ttl=1.0)):
        with pytest.raises(ValueError, match="another cache of the name 'one'"):
            make()


async def test_values_of_users_are_kept_apart(start: Start, source: Source) -> None:
    prices = start().caches.per_user("mine", Price)
    ada, bob = uuid4(), uuid4()
    await prices.get(ada, "tea", load=source.load)
    source.cents = 2
    assert (await prices.get(bob, "tea", load=source.load)).cents == 2
    assert (await prices.get(ada, "tea", load=source.load)).cents == 1
    async with prices.invalidating(ada):
        pass
    assert (await prices.get(ada, "tea", load=source.load)).cents == 2
    source.cents = 3
    await prices.invalidate(ada, "tea")
    assert [(await prices.get(user, "tea", load=source.load)).cents for user in (ada, bob)] == [3, 2]
    await prices.invalidate_all()
    assert (await prices.get(bob, "tea", load=source.load)).cents == 3


async def test_shared_value_is_loaded_without_the_caller(start: Start) -> None:
    kept = ContextVar("kept", default="")
    found: list[object] = []

    async def load() -> Price:
        found.extend((actor_id(), kept.get()))
        return Price(cents=1)

    user = Actor(uuid4())
    kept.set("request")
    token = actor.set(user)
    try:
        await start().prices.get("tea", load=load)
        await start().caches.per_user("mine", Price).get(user.user_id, load=load)
        assert actor_id() == user.user_id
    finally:
        actor.reset(token)
    assert found == [None, "request", user.user_id, "request"]


async def test_too_long_value_is_returned_and_not_stored(start: Start) -> None:
    class Text(BaseModel):
        text: str

    texts = start().caches.shared("texts", Text)

    async def load() -> Text:
        return Text(text="x" * 1_048_576)

    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            assert len((await texts.get(load=load)).text) == 1_048_576
    assert [(each["event"], each["cache"]) for each in logs] == [("cache_value_too_long", "texts")]


@pytest.mark.commits
async def test_unit_of_work_reads_the_source(start: Start, source: Source, database: Database) -> None:
    process = start()
    await process.read(source)
    source.cents = 2
    async with database.transaction():
        assert await process.read(source) == 2
    assert await process.read(source) == 1
