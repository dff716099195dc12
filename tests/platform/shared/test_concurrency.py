"""Bounded concurrency, and cancellation that is waited for."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from unittest.mock import ANY

import pytest
from structlog.testing import capture_logs

from app.platform import concurrency
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
        assert await fan_out(work, iter(range(3)), concurrency=3) == ([(0, None), (1, 1), (2, 2)], [])


async def test_no_items_give_no_results() -> None:
    assert await fan_out(CountingWork(1), [], concurrency=1) == ([], [])


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_concurrent_calls_are_limited(concurrency: int) -> None:
    work = CountingWork(concurrency)
    async with asyncio.timeout(PATIENCE):
        calls = asyncio.create_task(fan_out(work, range(10), concurrency=concurrency))
        await work.full.wait()
        work.released.set()
        assert await calls == ([(number, number * 10) for number in range(10)], [])
    assert work.maximum == concurrency


async def test_items_are_taken_when_their_call_begins() -> None:
    """A million items must not become a million tasks."""
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1_000_000):
            taken.append(number)
            yield number

    work = CountingWork(5)
    async with asyncio.timeout(PATIENCE):
        before = asyncio.all_tasks()
        calls = asyncio.create_task(fan_out(work, items(), concurrency=5))
        await work.full.wait()
        assert (len(taken), len(asyncio.all_tasks() - before)) == (5, 6)
        await cancel_and_wait(calls)
    assert len(taken) == 5


async def test_failures_have_their_items_and_keep_no_success_back() -> None:
    async def work(number: int) -> int:
        await asyncio.sleep(0)
        if number % 2:
            raise LookupError(number)
        return number * 10

    successes, failures = await fan_out(work, range(5), concurrency=2)
    assert successes == [(0, 0), (2, 20), (4, 40)]
    assert [(item, type(error), error.args) for item, error in failures] == [
        (1, LookupError, (1,)),
        (3, LookupError, (3,)),
    ]


async def test_what_is_not_done_in_time_has_failed() -> None:
    async def work(number: int) -> int:
        if number:
            await asyncio.Event().wait()
        return number

    async with asyncio.timeout(PATIENCE):
        successes, failures = await fan_out(work, range(5), concurrency=2, seconds=0.1)
    assert successes == [(0, 0)]
    assert [(item, str(error)) for item, error in failures] == [(n, "not done within 0.1 s") for n in (1, 2, 3, 4)]


async def test_what_is_left_of_an_endless_iterator_stays_in_it() -> None:
    async def work(number: int) -> int:
        await asyncio.sleep(PATIENCE if number > 2 else 0)
        return number

    items = count()
    async with asyncio.timeout(PATIENCE):
        successes, failures = await fan_out(work, items, concurrency=2, seconds=0.1)
    assert successes == [(0, 0), (1, 1), (2, 2)]
    assert [(item, str(error)) for item, error in failures] == [(n, "not done within 0.1 s") for n in (3, 4)]
    assert next(items) == 5


async def test_iterator_that_would_fail_later_keeps_no_success_back() -> None:
    def items() -> Iterator[int]:
        yield from range(2)
        raise LookupError

    async def work(number: int) -> None:
        await asyncio.sleep(number * PATIENCE)

    async with asyncio.timeout(PATIENCE):
        successes, failures = await fan_out(work, items(), concurrency=1, seconds=0.1)
    assert (successes, [item for item, _ in failures]) == ([(0, None)], [1])


@pytest.mark.parametrize("seconds", [0.1, None])
async def test_call_that_swallows_its_cancellation_is_the_last(seconds: float | None) -> None:
    begun: list[int] = []

    async def work(number: int) -> int:
        begun.append(number)
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return number

    async with asyncio.timeout(PATIENCE):
        calls = asyncio.create_task(fan_out(work, range(5), concurrency=2, seconds=seconds))
        await asyncio.sleep(0.01)
        if seconds:
            assert await calls == ([(0, 0), (1, 1)], ANY)
            assert [item for item, _ in calls.result()[1]] == [2, 3, 4]
        else:
            calls.cancel()
            await asyncio.wait([calls], timeout=1)
            assert calls.cancelled()
    assert begun == [0, 1]


async def test_time_limit_also_ends_work_that_never_waits() -> None:
    async def work(_: int) -> None:
        pass

    async with asyncio.timeout(PATIENCE):
        successes, failures = await fan_out(work, range(100_000), concurrency=2, seconds=0.01)
    assert len(successes) + len(failures) == 100_000
    assert failures


async def test_time_out_of_one_call_is_a_failure_of_that_call() -> None:
    async def work(number: int) -> int:
        if number == 1:
            raise TimeoutError
        return number

    successes, failures = await fan_out(work, range(3), concurrency=1, seconds=PATIENCE)
    assert (successes, [item for item, _ in failures]) == ([(0, 0), (2, 2)], [1])


async def test_call_that_was_cancelled_from_within_has_failed() -> None:
    async def work(number: int) -> int:
        if number == 1:
            raise asyncio.CancelledError
        return number

    successes, failures = await fan_out(work, range(3), concurrency=1)
    assert successes == [(0, 0), (2, 2)]
    assert [(item, type(error)) for item, error in failures] == [(1, RuntimeError)]


async def test_cancellation_ends_all_calls_and_starts_none() -> None:
    work = CountingWork(3)
    async with asyncio.timeout(PATIENCE):
        calls = asyncio.create_task(fan_out(work, range(10), concurrency=3, seconds=PATIENCE))
        await work.full.wait()
        calls.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls
    assert (work.running, work.maximum) == (0, 3)


async def test_concurrency_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        await fan_out(CountingWork(1), [1], concurrency=0)


async def test_items_that_fail_end_all_calls() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError

    work = CountingWork(2)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ExceptionGroup) as failed:
            await fan_out(work, items(), concurrency=2)
    assert failed.group_contains(LookupError)
    assert work.running == 0


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


async def test_task_that_swallows_every_cancellation_is_named_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrency, "CANCEL_SECONDS", 0.05)
    may_end = asyncio.Event()

    async def deaf() -> None:
        while not may_end.is_set():
            with suppress(asyncio.CancelledError):
                await may_end.wait()

    async def polite() -> None:
        await may_end.wait()

    tasks = [asyncio.ensure_future(each()) for each in (deaf, polite)]
    await asyncio.sleep(0)
    with capture_logs() as logs:
        await cancel_and_wait(*tasks)
    assert [task.done() for task in tasks] == [False, True]
    (said,) = logs
    assert (said["event"], said["seconds"]) == ("tasks_not_ended", 0.05)
    (name,) = said["tasks"]
    assert name.endswith("deaf")
    may_end.set()
    await tasks[0]
