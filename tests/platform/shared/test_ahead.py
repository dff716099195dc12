"""`ahead`: the next batch is made while the caller works on the previous one."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from app.platform import concurrency
from app.platform.concurrency import ahead
from tests.support.server import PATIENCE


class Source:
    """Yields batches of two numbers without end, and knows how many it was asked for.

    Before `stuck_at`, it waits; when it is cancelled there, a source with a slow end waits for `end`.
    """

    def __init__(self, *, stuck_at: int = 0, broken_at: int = 0, slow_end: bool = False) -> None:
        self.asked = 0
        self.stuck = asyncio.Event()
        self.ending, self.end = asyncio.Event(), asyncio.Event()
        if not slow_end:
            self.end.set()
        self._stuck_at = stuck_at
        self._broken_at = broken_at

    async def batches(self) -> AsyncIterator[list[int]]:
        while True:
            self.asked += 1
            if self.asked == self._stuck_at:
                self.stuck.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    self.ending.set()
                    await self.end.wait()
            if self.asked == self._broken_at:
                raise ZeroDivisionError
            yield [self.asked, -self.asked]


async def some_turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_one_batch_is_made_while_the_caller_works_and_no_more() -> None:
    source = Source()
    async with aclosing(ahead(source.batches(), str)) as made:
        assert await anext(made) == ["1", "-1"]
        await some_turns()
        assert source.asked == 2
        assert await anext(made) == ["2", "-2"]
        await some_turns()
        assert source.asked == 3


async def test_batches_keep_their_sequence_and_may_be_empty() -> None:
    async def batches() -> AsyncIterator[range]:
        for first, end in ((0, 100), (100, 100), (100, 101)):
            yield range(first, end)

    assert [batch async for batch in ahead(batches(), str)] == [[str(n) for n in range(100)], [], ["100"]]


async def test_error_of_a_batch_comes_at_its_turn() -> None:
    async with aclosing(ahead(Source(broken_at=2).batches(), str)) as made:
        assert await anext(made) == ["1", "-1"]
        await some_turns()
        with pytest.raises(ZeroDivisionError):
            await anext(made)


async def test_nothing_goes_on_after_a_caller_that_fails() -> None:
    source, before = Source(stuck_at=2), asyncio.all_tasks()

    async def fail() -> None:
        async with aclosing(ahead(source.batches(), str)) as made:
            async for _ in made:
                await source.stuck.wait()
                raise KeyError

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(KeyError):
            await fail()
    # those of other tests may end meanwhile
    assert asyncio.all_tasks() <= before


async def test_cancelled_caller_leaves_nothing_behind() -> None:
    source, before = Source(stuck_at=2), asyncio.all_tasks()

    async def read() -> None:
        async with aclosing(ahead(source.batches(), str)) as made:
            async for _ in made:
                pass

    reading = asyncio.create_task(read())
    async with asyncio.timeout(PATIENCE):
        await source.stuck.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    # those of other tests may end meanwhile
    assert asyncio.all_tasks() <= before


async def test_caller_that_is_cancelled_twice_is_cancelled_all_the_same(complaints: list[dict[str, Any]]) -> None:
    source, before = Source(stuck_at=2, slow_end=True), asyncio.all_tasks()

    async def read() -> None:
        async with aclosing(ahead(source.batches(), str)) as made:
            async for _ in made:
                await asyncio.Event().wait()

    reading = asyncio.create_task(read())
    async with asyncio.timeout(PATIENCE):
        await source.stuck.wait()
        reading.cancel()
        await source.ending.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    source.end.set()
    await some_turns()
    gc.collect()
    await some_turns()
    # those of other tests may end meanwhile
    assert asyncio.all_tasks() <= before
    assert complaints == []


async def test_source_that_does_not_end_hides_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    source, before = Source(stuck_at=2), asyncio.all_tasks()
    monkeypatch.setattr(concurrency, "CANCEL_SECONDS", 0.0)
    with pytest.raises(KeyError):
        async with aclosing(ahead(source.batches(), str)) as made:
            await anext(made)
            await source.stuck.wait()
            raise KeyError
    monkeypatch.undo()
    await concurrency.cancel_and_wait(*(asyncio.all_tasks() - before))


async def test_error_that_nobody_asks_for_is_not_logged(complaints: list[dict[str, Any]]) -> None:
    async with aclosing(ahead(Source(broken_at=2).batches(), str)) as made:
        await anext(made)
        await some_turns()
    del made
    gc.collect()
    assert complaints == []


async def test_other_tasks_run_while_a_batch_is_made() -> None:
    ticks = 0

    async def batches() -> AsyncIterator[range]:
        yield range(3200)

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    assert [len(batch) async for batch in ahead(batches(), str)] == [3200]
    ticking.cancel()
    assert ticks > 80
