"""Helpers for asyncio tasks: bounded concurrency, and cancellation that is waited for."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Sequence, Sized
from itertools import chain
from typing import Any, Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_PAUSE = 32
"""The items after which other tasks of the event loop run."""


CANCEL_SECONDS = 5.0
"""The longest wait for tasks that were cancelled."""


async def cancel_and_wait(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks, and wait until they have ended; repeat the cancellation, because a library may swallow it.

    After `CANCEL_SECONDS` nobody waits any longer, and the log names the tasks that still run.
    """
    deadline = time.monotonic() + CANCEL_SECONDS
    while running := [task for task in tasks if not task.done()]:
        left = deadline - time.monotonic()
        if left <= 0:
            log.error("tasks_not_ended", tasks=[function_of(task) for task in running], seconds=CANCEL_SECONDS)
            return
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=min(1.0, left))


def function_of(task: asyncio.Future[Any]) -> str:
    """Return the name of the function that a task runs."""
    coroutine = task.get_coro() if isinstance(task, asyncio.Task) else task
    return getattr(coroutine, "__qualname__", type(coroutine).__name__)


def is_cancelled() -> bool:
    """Return whether the current task was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def ahead(
    batches: AsyncIterable[Sequence[ItemT]], prepare: Callable[[ItemT], ResultT]
) -> AsyncGenerator[list[ResultT], None]:
    """Yield the batches with `prepare(item)` in place of each item, in the same sequence.

    The next batch is read and prepared while the caller works on the previous one, and waits until the caller asks for
    it. So `batches` and `prepare` must not use the caller's session, nor anything else that serves one task at a time.
    Use it in `async with aclosing(ahead(...))`, so that nothing goes on when the caller fails.

    Raises:
        Exception: reading or preparing this batch raised it.
    """
    prepared = _prepared(batches, prepare)
    coming = asyncio.ensure_future(anext(prepared, None))
    try:
        while (batch := await coming) is not None:
            coming = asyncio.ensure_future(anext(prepared, None))
            yield batch
    finally:
        # the caller has failed before; asyncio would log an error that nobody asks for
        coming.add_done_callback(lambda task: task.cancelled() or task.exception())
        await cancel_and_wait(coming)
        # a generator that still runs, in a task that swallows its cancellation, cannot be closed
        if coming.done():
            await prepared.aclose()


async def _prepared(
    batches: AsyncIterable[Sequence[ItemT]], prepare: Callable[[ItemT], ResultT]
) -> AsyncGenerator[list[ResultT], None]:
    async for batch in batches:
        done: list[ResultT] = []
        for first in range(0, len(batch), _PAUSE):
            done += [prepare(item) for item in batch[first : first + _PAUSE]]
            await asyncio.sleep(0)
        yield done


async def fan_out(
    work: Callable[[ItemT], Awaitable[ResultT]],
    items: Iterable[ItemT],
    *,
    concurrency: int,
    seconds: float | None = None,
) -> tuple[list[tuple[ItemT, ResultT]], list[tuple[ItemT, Exception]]]:
    """Call `work` for every item. Return `(successes, failures)`: pairs of item and result, and of item and error.

    Both lists follow the sequence of the items. At most `concurrency` calls run at a time, in as many tasks, and an
    item is taken when its call begins. A call that fails does not disturb the others. After `seconds`, or when the
    caller is cancelled, the running calls are cancelled and no more begin; a call that swallows its cancellation is
    waited for. After `seconds`, the cancelled calls are failures with a `TimeoutError`. So are the items that are left
    of a collection. An iterator, which may be endless, is not read on: the items that are left can be taken from it.

    Raises:
        ValueError: `concurrency` is less than 1.
        ExceptionGroup: taking the next item failed.
    """
    if concurrency < 1:
        message = "concurrency must be at least 1"
        raise ValueError(message)
    calls = _Calls(work, items)
    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(calls.make())
    except TimeoutError:
        calls.give_up(TimeoutError(f"not done within {seconds} s"))
    return _sorted(calls.successes), _sorted(calls.failures)


class _Calls(Generic[ItemT, ResultT]):
    """The calls for all items, which several tasks make in turn; the keys are the items' numbers."""

    def __init__(self, work: Callable[[ItemT], Awaitable[ResultT]], items: Iterable[ItemT]) -> None:
        self.successes: dict[int, tuple[ItemT, ResultT]] = {}
        self.failures: dict[int, tuple[ItemT, Exception]] = {}
        self._work = work
        self._left = enumerate(items)
        self._countable = isinstance(items, Sized)
        self._running: dict[int, ItemT] = {}

    async def make(self) -> None:
        """Make one call after the other, until no items are left or the task is cancelled."""
        for number, item in self._left:
            self._running[number] = item
            try:
                self.successes[number] = item, await _not_cancelled_from_within(self._work(item))
            except Exception as error:  # noqa: BLE001 (returned, with its item)
                self.failures[number] = item, error
            del self._running[number]
            if is_cancelled():
                # the call has swallowed it
                return
            # work that never waits would keep the event loop, and neither a cancellation nor a time limit could end it
            await asyncio.sleep(0)

    def give_up(self, error: Exception) -> None:
        """Count the calls that did not end, and the items that are left of a collection, as failures."""
        left = self._left if self._countable else ()
        for number, item in chain(self._running.items(), left):
            self.failures[number] = item, error


async def _not_cancelled_from_within(call: Awaitable[ResultT]) -> ResultT:
    """Await a call; one that ends as cancelled, although nobody cancelled this task, has failed."""
    try:
        return await call
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        message = "the call was cancelled from within"
        raise RuntimeError(message) from error


def _sorted(pairs: dict[int, ResultT]) -> list[ResultT]:
    return [pairs[number] for number in sorted(pairs)]
