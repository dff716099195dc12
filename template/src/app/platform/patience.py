"""A time limit for answers that does not mistake a busy event loop for a silent server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

STEPS = 20
"""The least passes of the event loop that an answer may take: several times what it needs."""


@asynccontextmanager
async def answered_within(seconds: float) -> AsyncIterator[None]:
    """Bound the time of the block, but let the event loop do `STEPS` passes in any case.

    While the loop has much to do, the answer may have arrived long before the block learns of it. Only a loop that has
    had its turns without an answer may say that there is none.

    Raises:
        TimeoutError: the block did not end in time.
    """
    async with asyncio.timeout(None) as limit:
        steps = _Steps(limit, seconds / STEPS)
        try:
            yield
        finally:
            steps.timer.cancel()


class _Steps:
    def __init__(self, limit: asyncio.Timeout, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._seconds = seconds
        self._left = STEPS
        self.timer = self._loop.call_later(seconds, self._step)

    def _step(self) -> None:
        self._left -= 1
        if self._left:
            self.timer = self._loop.call_later(self._seconds, self._step)
        else:
            self._limit.reschedule(self._loop.time())
