"""Many things at once, and not all at once."""

import asyncio

import pytest

from app.platform.concurrency import end, fan_out
from tests.support.server import PATIENCE


class Counter:
    """Counts how many are at work, and says when so many are."""

    def __init__(self, expected: int) -> None:
        self.at_work = 0
        self.most = 0
        self.full = asyncio.Event()
        self.goes_on = asyncio.Event()
        self._expected = expected

    async def __call__(self, item: int) -> int:
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        if self.at_work == self._expected:
            self.full.set()
        try:
            await self.goes_on.wait()
        finally:
            self.at_work -= 1
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


async def test_nothing_to_do_is_done() -> None:
    assert await fan_out(Counter(1), [], limit=1) == []


@pytest.mark.parametrize("limit", [1, 3])
async def test_no_more_than_the_limit_are_done_at_a_time(limit: int) -> None:
    work = Counter(limit)
    async with asyncio.timeout(PATIENCE):
        doing = asyncio.create_task(fan_out(work, range(10), limit=limit))
        await work.full.wait()
        work.goes_on.set()
        assert await doing == [number * 10 for number in range(10)]
    assert work.most == limit


async def test_failures_are_raised_together_once_all_others_are_done() -> None:
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


async def test_cancellation_ends_all_and_begins_none() -> None:
    work = Counter(3)
    async with asyncio.timeout(PATIENCE):
        doing = asyncio.create_task(fan_out(work, range(10), limit=3))
        await work.full.wait()
        doing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doing
    assert (work.at_work, work.most) == (0, 3)


async def test_end_of_a_task_that_swallows_its_cancellation_is_waited_for() -> None:
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
    await end(task)
    assert task.done()
    assert swallowed == 2
