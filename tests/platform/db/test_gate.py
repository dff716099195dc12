"""The gate before the pool: who gets the next connection, who waits, and for how long."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import Context
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.platform.db.gate import Gate
from app.platform.db.session import Database
from tests.support.databases import settings_for

SOON = 0.05


@asynccontextmanager
async def inside(gate: Gate) -> AsyncIterator[None]:
    place = await gate.enter()
    try:
        yield
    finally:
        gate.leave(place)


def start(work: Awaitable[Any]) -> "asyncio.Task[Any]":
    """Start a task that is no part of the unit of work around it."""

    async def run() -> Any:
        return await work

    return asyncio.create_task(run(), context=Context())


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_first_come_first_served() -> None:
    gate, served = Gate(2, 5, 100), []

    async def work(number: int) -> None:
        async with inside(gate):
            served.append(number)
            await asyncio.sleep(0.001 * (number % 3))

    await asyncio.gather(*(start(work(number)) for number in range(50)))
    assert served == list(range(50))
    assert gate.waiting == 0


async def test_never_more_inside_than_places() -> None:
    gate, now, most = Gate(3, 5, 100), 0, 0

    async def work() -> None:
        nonlocal now, most
        async with inside(gate):
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1

    await asyncio.gather(*(start(work()) for _ in range(40)))
    assert most == 3


async def test_waiting_ends_after_the_timeout() -> None:
    gate = Gate(1, SOON, 100)
    async with inside(gate):
        with pytest.raises(PoolTimeoutError, match=r"within 0\.05 s"):
            await start(gate.enter())
        assert gate.waiting == 0
    async with inside(gate):
        pass


async def test_each_waits_for_its_own_time() -> None:
    gate = Gate(1, 4 * SOON, 100)
    async with inside(gate):
        first = start(gate.enter())
        await asyncio.sleep(2 * SOON)
        second = start(gate.enter())
        with pytest.raises(PoolTimeoutError):
            await first
        assert (second.done(), gate.waiting) == (False, 1)
        with pytest.raises(PoolTimeoutError):
            await second


async def test_too_many_are_refused_at_once() -> None:
    gate = Gate(1, 5, 2)
    async with inside(gate):
        waiting = [start(gate.enter()) for _ in range(2)]
        await turns()
        with pytest.raises(PoolTimeoutError, match="2 units of work wait"):
            await start(gate.enter())
        for task in waiting:
            task.cancel()
        await turns()
        assert gate.waiting == 0


@pytest.mark.parametrize("moment", ["while waiting", "when the place is given"])
async def test_cancelled_work_loses_no_place(moment: str) -> None:
    gate = Gate(1, 5, 100)
    place = await gate.enter()
    cancelled, after = start(gate.enter()), start(gate.enter())
    await turns()
    if moment == "when the place is given":
        gate.leave(place)
        cancelled.cancel()
    else:
        cancelled.cancel()
        await turns()
        gate.leave(place)
    gate.leave(await after)
    await asyncio.gather(cancelled, return_exceptions=True)
    async with asyncio.timeout(1), inside(gate):
        assert gate.waiting == 0


async def test_work_inside_other_work_goes_first() -> None:
    gate, served = Gate(2, 5, 100), []

    async def holding_two() -> None:
        async with inside(gate):
            await asyncio.sleep(SOON)
            async with inside(gate):
                served.append("inner")

    async def other(name: str) -> None:
        async with inside(gate):
            served.append(name)
            await asyncio.sleep(2 * SOON)

    await asyncio.gather(*(start(work) for work in (holding_two(), other("first"), other("second"))))
    assert served == ["first", "inner", "second"]


async def test_work_that_holds_a_connection_of_another_pool_waits_its_turn() -> None:
    """It keeps nobody here from a connection, so it neither goes first nor gets the spare place."""
    gate, other, served = Gate(1, 5, 100), Gate(1, 5, 100), []

    async def of_both() -> None:
        async with inside(other), inside(gate):
            served.append("both")

    async def of_one() -> None:
        async with inside(gate):
            served.append("one")

    place = await gate.enter()
    tasks = [start(of_one()), start(of_both())]
    await turns()
    assert gate.waiting == 2
    gate.leave(place)
    await asyncio.gather(*tasks)
    assert served == ["one", "both"]


async def test_all_who_need_two_places_get_them() -> None:
    gate, finished = Gate(3, 5, 100), 0

    async def work() -> None:
        nonlocal finished
        async with inside(gate):
            await asyncio.sleep(0)
            async with inside(gate):
                await asyncio.sleep(0)
            finished += 1

    async with asyncio.timeout(5):
        await asyncio.gather(*(start(work()) for _ in range(20)))
    assert finished == 20
    assert (gate.waiting, gate._stuck, gate._free, gate._spare) == (0, 0, 3, True)  # noqa: SLF001 (nothing is left over)


async def test_outer_work_that_ends_first_leaves_nothing_behind() -> None:
    gate = Gate(2, 5, 100)
    outer, other = await gate.enter(), await start(gate.enter())
    inner = asyncio.create_task(gate.enter())
    await turns()
    gate.leave(outer)
    place = await inner
    gate.leave(other)
    gate.leave(place)
    assert (gate.waiting, gate._stuck, gate._free, gate._spare) == (0, 0, 2, True)  # noqa: SLF001 (nothing is left over)


@pytest.fixture(params=["transaction", "read", "get_session"])
def opening(request: pytest.FixtureRequest) -> Callable[[Database], AbstractAsyncContextManager[Any]]:
    """Return a function that opens a session in one of the ways."""
    return lambda database: getattr(database, request.param)()


async def test_many_units_of_work_share_a_small_pool(
    migrated_url: str, opening: Callable[[Database], AbstractAsyncContextManager[Any]]
) -> None:
    database = Database(settings_for(migrated_url, pool_size=1, max_overflow=1))
    await database.init()

    async def work(number: int) -> None:
        async with opening(database) as session:
            assert await session.scalar(text("SELECT :number + 0"), {"number": number}) == number

    async with asyncio.timeout(60):
        await asyncio.gather(*(start(work(number)) for number in range(40)))
    await database.close()


async def test_pool_has_a_connection_for_the_spare_place(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url, pool_size=1, max_overflow=1, pool_timeout=30.0))
    await database.init()

    async def work() -> None:
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))
            await asyncio.sleep(SOON)
            async with database.read() as second:
                await second.execute(text("SELECT 1"))

    async with asyncio.timeout(60):
        await asyncio.gather(*(start(work()) for _ in range(8)))
    await database.close()


async def test_cancelled_units_of_work_give_their_connections_back(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url, pool_size=2, max_overflow=0, pool_timeout=30.0))
    await database.init()

    async def work() -> None:
        async with database.transaction() as session:
            await session.execute(text("SELECT pg_sleep(0.02)"))

    for delay in (0.0, 0.005, 0.01, 0.02, 0.03, 0.04):
        tasks = [start(work()) for _ in range(6)]
        await asyncio.sleep(delay)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(60):
        await asyncio.gather(*(start(work()) for _ in range(4)))
    await database.close()
