"""Doing many things at once without doing them all at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


async def end(task: asyncio.Future[Any]) -> None:
    """Cancel a task and wait until it has ended; more than once, since a library on its way may swallow it."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1.0)


async def fan_out(work: Callable[[ItemT], Awaitable[ResultT]], items: Iterable[ItemT], *, limit: int) -> list[ResultT]:
    """Do the work for every item, for `limit` of them at a time, and return the results in the order of the items.

    The failure of one item does not keep the others from being done; a cancellation ends them all.

    Raises:
        ExceptionGroup: the work failed for some items.
    """
    slots = asyncio.Semaphore(limit)
    failures: list[Exception] = []

    async def one(item: ItemT) -> ResultT | None:
        async with slots:
            try:
                return await work(item)
            except Exception as error:  # noqa: BLE001 (raised below, once the others are done)
                failures.append(error)
                return None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(item)) for item in items]
    if failures:
        message = f"{len(failures)} of {len(tasks)} failed"
        raise ExceptionGroup(message, failures)
    # without a failure, None is what the work returned
    return [task.result() for task in tasks]  # type: ignore[misc]
