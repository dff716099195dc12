"""Clients of Redis; `patience.py` imports them for services that have one."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.asyncio import ConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError

from app.platform.patience import RedisUnavailable, answered_within
from app.platform.tracebacks import summary

CONNECTIONS = 50
"""The most connections of a process to Redis for one purpose, if its URL has no `max_connections`."""

GOODBYE = 1.0
"""The most seconds that a closed connection with TLS waits for the server to close it as well."""

FAILURES = (RedisError, OSError, TimeoutError)
"""What says that Redis has not answered."""


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
            RedisUnavailable: there was no connection, or no answer, in time, or an error.
        """
        try:
            async with answered_within(seconds), self._free:
                yield self._redis
        except FAILURES as error:
            raise RedisUnavailable(summary(error)) from error

    async def close(self, seconds: float) -> None:
        """Close the connections; give up after some seconds, because encrypted ones wait for the server."""
        with suppress(*FAILURES):
            async with asyncio.timeout(seconds):
                await self._redis.aclose()
