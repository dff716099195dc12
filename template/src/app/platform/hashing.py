"""A bounded queue for the threads that hash passwords.

A hash takes tens of milliseconds of a core. Without a bound, a flood of registrations would delay every sign-in.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from typing import TypeVar

import structlog

from app.platform.errors import Busy

log = structlog.get_logger(__name__)

ResultT = TypeVar("ResultT")


class Priority(IntEnum):
    """Which calls go first: people who sign in wait for the answer, and have an account already."""

    SIGN_IN = 0
    REGISTRATION = 1


class HashingQueue:
    """Runs functions in `threads` threads, while at most `size` calls wait, each for at most `timeout` seconds.

    When the queue is full, a sign-in takes the place of the registration that came last.
    """

    def __init__(self, threads: int, size: int, timeout: float) -> None:
        self._threads = ThreadPoolExecutor(threads, "hashing")
        self._free = threads
        self._size = size
        self._timeout = timeout
        self._queues: dict[Priority, deque[asyncio.Future[None]]] = {priority: deque() for priority in Priority}

    @property
    def waiting(self) -> int:
        """The number of calls that wait for a thread."""
        return sum(map(len, self._queues.values()))

    async def run(self, priority: Priority, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """Call the function in a thread, and return its result.

        Raises:
            Busy: the queue is full, or the call waited too long.
        """
        await self._wait_for_turn(priority)
        loop = asyncio.get_running_loop()
        running = self._threads.submit(function, *arguments)
        # when the thread is free, not when the caller is: a cancelled caller leaves the thread running
        running.add_done_callback(lambda _: loop.call_soon_threadsafe(self._start_next))
        return await asyncio.wrap_future(running)

    def close(self) -> None:
        """Wait for the running calls, and stop the threads."""
        self._threads.shutdown(wait=True)

    async def _wait_for_turn(self, priority: Priority) -> None:
        if self._free:
            self._free -= 1
            return
        self._make_room(priority)
        turn = asyncio.get_running_loop().create_future()
        self._queues[priority].append(turn)
        try:
            async with asyncio.timeout(self._timeout):
                await turn
        except TimeoutError:
            self._leave(priority, turn)
            raise self._refusal("timeout") from None
        except asyncio.CancelledError:
            self._leave(priority, turn)
            raise

    def _make_room(self, priority: Priority) -> None:
        registrations = self._queues[Priority.REGISTRATION]
        while self.waiting >= self._size:
            if priority is Priority.REGISTRATION or not registrations:
                raise self._refusal("queue_full")
            newest = registrations.pop()
            if not newest.done():
                newest.set_exception(self._refusal("displaced"))

    def _leave(self, priority: Priority, turn: "asyncio.Future[None]") -> None:
        if turn in self._queues[priority]:
            self._queues[priority].remove(turn)
        elif turn.done() and not turn.cancelled() and not turn.exception():
            # its turn came in the same moment: pass it on
            self._start_next()

    def _start_next(self) -> None:
        for queue in self._queues.values():
            while queue:
                turn = queue.popleft()
                # a caller that was cancelled has not left the queue yet
                if not turn.done():
                    turn.set_result(None)
                    return
        self._free += 1

    def _refusal(self, reason: str) -> Busy:
        log.warning("password_hashing_refused", reason=reason, waiting=self.waiting)
        return Busy("Too many passwords wait to be checked.")
