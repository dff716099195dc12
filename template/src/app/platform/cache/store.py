"""Values in Redis with the versions they were loaded at, and what to do while Redis does not answer.

A key has several parts, and a version for each of its beginnings: `a/b` has versions of the whole cache, of `a`, and of
`a/b`. A value is stored together with the versions from before it was loaded, and is valid while they are the same. So
deleting one version invalidates all values below it, those too that are being loaded and stored later.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from app.platform.cache.keys import Names
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

CONNECTIONS = 50
"""The most connections of a process. A read that gets none within `CACHE_TIMEOUT` goes to its source."""

PAUSE = 2.0
"""Seconds for which Redis is not asked after it did not answer. Then a single call tries again."""

MAX_MISSED = 1000
"""The most invalidations that are remembered while Redis does not answer; further ones invalidate whole caches."""

# Versions that are missing are made. The result has the value, if another process has just stored it; else the right to
# load, unless another process has it at these versions.
_BEGIN = """
local versions = ''
for i = 3, #KEYS do
  local version = redis.call('GET', KEYS[i])
  if not version then
    version = ARGV[1]
    redis.call('SET', KEYS[i], version, 'PX', ARGV[3])
  end
  versions = versions .. version
end
local value = ARGV[4] == '' and redis.call('GET', KEYS[2])
if value and string.sub(value, 1, #versions) == versions then
  return {0, versions, string.sub(value, #versions + 1)}
end
local loading = redis.call('GET', KEYS[1])
if loading and string.sub(loading, #ARGV[1] + 1) == versions then return {0, versions, ''} end
redis.call('SET', KEYS[1], ARGV[1] .. versions, 'PX', ARGV[2])
return {1, versions, ''}
"""
# The value is stored if nothing was invalidated since; the right to load is given back if it is still there.
_END = """
if ARGV[4] ~= '' then
  local versions = ''
  for i = 3, #KEYS do versions = versions .. (redis.call('GET', KEYS[i]) or '') end
  if versions == ARGV[2] then
    redis.call('SET', KEYS[2], ARGV[2] .. ARGV[4], 'PX', ARGV[3])
    for i = 3, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
  end
end
if redis.call('GET', KEYS[1]) == ARGV[1] .. ARGV[2] then redis.call('DEL', KEYS[1]) end
"""


class StoreUnavailable(Exception):
    """Redis did not answer in time, or not a moment ago."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The versions before a load, the value if another process has just stored it, or whether this one should load."""

    token: str
    versions: bytes
    value: bytes
    granted: bool


class Store:
    """Redis, asked for no longer than `CACHE_TIMEOUT`, and not at all for `PAUSE` seconds after it did not answer.

    Each method but `forget` raises `StoreUnavailable`.
    """

    def __init__(self, redis_url: str, timeout: float, wait: float) -> None:
        self._timeout = timeout
        self._wait = max(1, round(wait * 1000))
        pool = BlockingConnectionPool.from_url(
            redis_url,
            max_connections=CONNECTIONS,
            timeout=timeout,
            socket_connect_timeout=timeout,
            # once more at once, because a connection that sat idle may be closed
            retry=Retry(NoBackoff(), 1),
            retry_on_error=[RedisConnectionError],
        )
        # its methods have other types in each major release
        self._redis: Any = Redis.from_pool(pool)
        self._down = False
        self._paused_until = 0.0
        # the versions to delete when Redis answers again
        self._missed: dict[str, None] = {}

    async def read(self, names: Names) -> tuple[bytes | None, bytes | None]:
        """Return the value, `None` if there is no valid one, and the versions, `None` if some are missing."""
        found: list[bytes | None] = await self._ask(lambda redis: redis.mget(names.value, *names.versions))
        value, *versions = found
        joined = b"".join(filter(None, versions))
        if None in versions:
            return None, None
        return value[len(joined) :] if value and value.startswith(joined) else None, joined

    async def begin(self, names: Names, ttl: float, *, replace: bool = False) -> Lease:
        """Note the versions before a load, and take the right to load; with `replace` although there is a value."""
        token = uuid4().hex
        keys = (names.loading, names.value, *names.versions)
        arguments = (token, self._wait, _kept(ttl), "yes" if replace else "")
        granted, versions, value = await self._ask(lambda redis: self._run(redis, _BEGIN, keys, *arguments))
        return Lease(token, versions, value, granted=bool(granted))

    async def end(self, names: Names, lease: Lease, ttl: float, value: bytes = b"") -> None:
        """Store the value, unless it was invalidated meanwhile, and give back the right to load."""
        keys = (names.loading, names.value, *names.versions)
        arguments = (lease.token, lease.versions, max(1, round(ttl * 1000)), value, _kept(ttl))
        await self._ask(lambda redis: self._run(redis, _END, keys, *arguments))

    async def forget(self, version: str, everything: str) -> bool:
        """Delete a version. Return whether Redis has done so; if not, it is done when Redis answers again.

        `everything` is the version of the whole cache.
        """
        try:
            await self._ask(lambda redis: redis.delete(version))
        except BaseException as error:
            # also when the caller is cancelled: nobody knows whether Redis has got it
            self._missed[version if len(self._missed) < MAX_MISSED else everything] = None
            if isinstance(error, StoreUnavailable):
                return False
            raise
        return True

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._redis.aclose()

    async def _ask(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        if self._down:
            now = time.monotonic()
            if now < self._paused_until:
                raise StoreUnavailable
            # the others do not ask until this call knows more
            self._paused_until = now + PAUSE
        try:
            async with asyncio.timeout(self._timeout):
                if self._missed:
                    await self._forget_missed()
                result = await work(self._redis)
        except (RedisError, OSError, TimeoutError) as error:
            self._note_failure(error)
            raise StoreUnavailable from error
        if self._down:
            self._down = False
            log.info("cache_answers_again")
        return result

    async def _forget_missed(self) -> None:
        missed, self._missed = self._missed, {}
        try:
            await self._redis.delete(*missed)
        except BaseException:
            self._missed |= missed
            raise

    def _note_failure(self, error: Exception) -> None:
        self._paused_until = time.monotonic() + PAUSE
        if not self._down:
            log.warning("cache_unavailable", reason=summary(error))
        self._down = True

    @staticmethod
    async def _run(redis: Any, script: str, keys: Sequence[str], *arguments: Any) -> Any:
        return await redis.eval(script, len(keys), *keys, *arguments)


def _kept(ttl: float) -> int:
    """Return the milliseconds for which versions are kept: longer than the values that have them."""
    return round(ttl * 1000) + 60_000
