"""Redis for short questions on the way of a request, and a time limit that does not mistake a busy loop for silence."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.asyncio import ConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError

STEPS = 20
"""The least passes of the event loop that an answer may take: several times what it needs."""

CONNECTIONS = 50
"""The most connections of a process to Redis for one purpose, if its URL has no `max_connections`."""

GOODBYE = 1.0
"""The most seconds that a closed connection with TLS waits for the server to close it as well."""

FAILURES = (RedisError, OSError, TimeoutError)
"""What says that Redis has not answered."""


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


class _Encrypted(SSLConnection):
    """A connection with TLS that a silent server cannot keep from closing for half a minute."""

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "ssl_shutdown_timeout": GOODBYE}


def open_pool(url: str, *renewing: type[RedisError]) -> ConnectionPool:
    """Return a pool whose calls are repeated once, over a new connection, after these errors or a lost connection."""
    pool = ConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        # at once, because what was lost is a connection that sat idle
        retry=Retry(NoBackoff(), 1),
        retry_on_error=[RedisConnectionError, *renewing],
    )
    if pool.connection_class is SSLConnection:
        pool.connection_class = _Encrypted
    return pool


class PatientRedis:
    """A client of Redis that answers within a time or fails; callers wait for one of its connections in that time."""

    def __init__(self, url: str) -> None:
        # after a fail-over, open connections may lead to a server that is read-only now
        pool = open_pool(url, ReadOnlyError)
        # a pool that is used up would refuse callers, as if Redis had
        self._free = asyncio.Semaphore(pool.max_connections)
        self._redis = Redis.from_pool(pool)

    @asynccontextmanager
    async def asked(self, seconds: float) -> AsyncIterator[Redis]:
        """Yield the client for one question.

        Raises:
            TimeoutError: there was no connection, or no answer, in time.
        """
        async with answered_within(seconds), self._free:
            yield self._redis

    async def close(self, seconds: float) -> None:
        """Close the connections; give up after some seconds, because encrypted ones wait for the server."""
        with suppress(*FAILURES):
            async with asyncio.timeout(seconds):
                await self._redis.aclose()
