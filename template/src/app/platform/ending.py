"""The end of a process has a bound, whatever swallows its cancellation or keeps a thread busy.

Code that blocks the event loop keeps the process from learning that it is to end: only a supervisor can kill it then.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

from app.platform.concurrency import function_of

log = structlog.get_logger(__name__)

CLOSING_SECONDS = 25.0
"""For a process to close its resources: less than the 30 after which the parent of several workers kills them."""

LAST_SECONDS = 5.0
"""For tasks and threads that still run when all resources are closed."""

_SOURCE = str(Path(__file__).parents[1])


async def close_within(seconds: float, name: str, close: Callable[[], Awaitable[object]]) -> None:
    """Close a resource; cancel that after some seconds, and log it, so that the other resources are closed as well."""
    try:
        # not in a task of its own: some libraries close only in the task that has opened
        async with asyncio.timeout(seconds) as limit:
            await close()
    except TimeoutError:
        if not limit.expired():
            raise
        log.error("resource_not_closed", resource=name, seconds=seconds)


def end_within(seconds: float) -> None:
    """Have this process end with status 1 if it still runs after some seconds, and log what it has waited for.

    Call it in the event loop of a process that is to end. It cannot be undone; of several bounds the first one counts.
    Nothing happens when the loop was closed and the main thread goes on, as in a test.
    """
    timer = threading.Timer(seconds, _end, [asyncio.get_running_loop()])
    timer.name, timer.daemon = "end of the process", True
    timer.start()


def _end(loop: asyncio.AbstractEventLoop) -> None:
    # the main thread counts as ended while the interpreter waits for other threads
    if loop.is_closed() and threading.main_thread().is_alive():
        return
    # also when nobody reads the log, and writing into it waits
    last = threading.Timer(1.0, os._exit, [1])
    last.daemon = True
    last.start()
    try:
        log.error("process_ended_late", tasks=list(_tasks(loop)), threads=list(_threads()))
    finally:
        os._exit(1)


def _tasks(loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    for task in asyncio.all_tasks(loop):
        frames: list[FrameType] = []
        waiting: Any = task.get_coro()
        while frame := getattr(waiting, "cr_frame", None):
            frames.append(frame)
            waiting = waiting.cr_await
        yield _named(function_of(task), frames)


def _threads() -> Iterator[str]:
    running = sys._current_frames()  # noqa: SLF001 (the documented way to the frames of all threads)
    for thread in threading.enumerate():
        frames: list[FrameType] = []
        frame = running.get(thread.ident or 0)
        while frame:
            frames.insert(0, frame)
            frame = frame.f_back
        # the interpreter does not wait for daemons
        if not thread.daemon:
            yield _named(thread.name, frames)


def _named(name: str, frames: list[FrameType]) -> str:
    """Return a name, and the innermost place in the source of this service, or else of a library."""
    own = [frame for frame in frames if frame.f_code.co_filename.startswith(_SOURCE)]
    for frame in (own or frames)[-1:]:
        code = frame.f_code
        return f"{name} in {code.co_qualname} ({Path(code.co_filename).name}:{frame.f_lineno})"
    return name
