"""Bounded concurrency, and cancellation that is waited for."""

import asyncio

import pytest

from app.platform.concurrency import cancel_and_wait, fan_out
from tests.support.server import PATIENCE


class CountingWork:
    """Counts concurrent calls, and sets `full` when `expected` calls run at once."""

    def __init__(self, expected: int) -> None:
        self.running = 0
        self.maximum = 0
        self.full = asyncio.Event()
        self.released = asyncio.Event()
        self._expected = expected

    async def __call__(self, item: int) -> int:
        self.running += 1
        self.maximum = max(self.maximum, self.running)
        if self.running == self._expected:
            self.full.set()
        try:
            await self.released.wait()
        finally:
            self.running -= 1
        return item * 10


async def test_results_are_in_the_order_of_the_items() -> None:
    turns = {number: asyncio.Event() for number in range(3)}

    async def work(number: int) -> int | None:
        if number < 2:
            await turns[number + 1].wait()
        turns[number].set()
        return number or None

    async with asyncio.timeout(PATIENCE):
        assert await fan_out(work, iter(range(3)), limit=3) == [None, 1, 2]


async def test_no_items_give_no_results() -> None:
    assert await fan_out(CountingWork(1), [], limit=1) == []


@pytest.mark.parametrize("limit", [1, 3])
async def test_concurrent_calls_are_limited(limit: int) -> None:
    work = CountingWork(limit)
    async with asyncio.timeout(PATIENCE):
        calls = asyncio.create_task(fan_out(work, range(10), limit=limit))
        await work.full.wait()
        work.released.set()
        assert await calls == [number * 10 for number in range(10)]
    assert work.maximum == limit


async def test_failures_are_raised_together_after_all_other_calls() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        if number % 2:
            raise LookupError(number)
        await asyncio.sleep(0)
        done.append(number)

    with pytest.raises(ExceptionGroup, match="2 of 5 failed") as failed:
        await fan_out(work, range(5), limit=2)
    assert [(type(each), each.args) for each in failed.value.exceptions] == [(LookupError, (1,)), (LookupError, (3,))]
    assert done == [0, 2, 4]


async def test_cancellation_ends_all_calls_and_starts_none() -> None:
    work = CountingWork(3)
    async with asyncio.timeout(PATIENCE):
        calls = asyncio.create_task(fan_out(work, range(10), limit=3))
        await work.full.wait()
        calls.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls
    assert (work.running, work.maximum) == (0, 3)


async def test_task_that_swallows_its_cancellation_is_cancelled_again() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while swallowed < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1

    task = asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert task.done()
    assert swallowed == 2
