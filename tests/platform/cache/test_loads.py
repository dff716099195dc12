"""Loads that end with their callers, are cancelled, or take too long."""

import asyncio

import pytest

from tests.platform.cache.conftest import Price, Source, Start, until


async def test_load_ends_with_its_last_caller(start: Start, source: Source) -> None:
    process = start()
    source.open.clear()
    caller = asyncio.create_task(process.read(source))
    await until(lambda: source.reads == 1)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    source.open.set()
    # nothing was stored, and nothing is in the way of the next one
    assert await start(wait=60.0).read(source) == 1
    assert source.reads == 2


async def test_caller_that_comes_while_a_load_is_being_cancelled_gets_its_own(start: Start, source: Source) -> None:
    process, begun, ended = start(wait=0.05), asyncio.Event(), asyncio.Event()

    async def load() -> Price:
        begun.set()
        try:
            return await asyncio.Future[Price]()
        finally:
            await ended.wait()

    first = asyncio.create_task(process.prices.get("tea", load=load))
    await begun.wait()
    first.cancel()
    await asyncio.wait({first})
    async with asyncio.timeout(20):
        assert await process.read(source) == 1
    ended.set()


async def test_load_that_takes_too_long_is_not_joined(start: Start, source: Source) -> None:
    stuck, process = Source(), start(longest_wait=0.05)
    stuck.open.clear()
    first = asyncio.create_task(process.read(stuck))
    await until(lambda: stuck.reads == 1)
    await asyncio.sleep(0.06)
    async with asyncio.timeout(20):
        assert await process.read(source) == 1
    stuck.open.set()
    assert await first == 1


async def test_load_that_is_cancelled_from_within_does_not_cancel_its_callers(start: Start) -> None:
    async def load() -> Price:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="cancelled from within"):
        await start().prices.get("tea", load=load)
