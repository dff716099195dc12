"""Redis for short questions on the way of a request, and a time limit that does not mistake a busy loop for silence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.platform.redis_client import PatientRedis

STEPS = 20
"""The least passes of the event loop that an answer may take: several times what it needs."""


@asynccontextmanager
async def answered_within(seconds: float) -> AsyncIterator[None]:
    """Bound the time of the block, but let the event loop do `STEPS` passes in any case, each of a millisecond or more.

    While the loop has much to do, the answer may have arrived long before the block learns of it. Only a loop that has
    had its turns without an answer may say that there is none.

    Raises:
        TimeoutError: the block did not end in time.
    """
    async with asyncio.timeout(None) as limit:
        # uvloop rounds to milliseconds, and a step of none is no step
        steps = _Steps(limit, max(seconds / STEPS, 0.001))
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


class RedisUnavailable(Exception):
    """Redis has not answered in time, or with an error."""


def redis_at(url: str | None) -> "PatientRedis | None":
    """Return a client of Redis; `None` without a URL, and then redis-py is not even imported.

    It would take 14 MiB of memory and a tenth of the start.
    """
    if not url:
        return None
    from app.platform.redis_client import PatientRedis  # noqa: PLC0415

    return PatientRedis(url)
