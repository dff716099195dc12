"""Helpers for asyncio tasks: bounded concurrency, and cancellation that is waited for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


async def cancel_and_wait(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait until it has ended; repeat the cancellation, because a library may swallow it."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1.0)


async def fan_out(work: Callable[[ItemT], Awaitable[ResultT]], items: Iterable[ItemT], *, limit: int) -> list[ResultT]:
    """Call `work` for every item, `limit` at a time, and return the results in the order of the items.

    When one call fails, the others still run; a cancellation cancels them all.

    Raises:
        ExceptionGroup: some calls failed.
    """
    slots = asyncio.Semaphore(limit)
    failures: list[Exception] = []

    async def one(item: ItemT) -> ResultT | None:
        async with slots:
            try:
                return await work(item)
            except Exception as error:  # noqa: BLE001 (raised below, after the other calls)
                failures.append(error)
                return None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(item)) for item in items]
    if failures:
        message = f"{len(failures)} of {len(tasks)} failed"
        raise ExceptionGroup(message, failures)
    # no call failed, so a None is the result of its call
    return [task.result() for task in tasks]  # type: ignore[misc]
