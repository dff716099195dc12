"""Fixed-window counters for rate limits: in this process's memory, or in Redis for all processes.

The library `limits` parses the limits. Its storages are not used: at every request, the one in memory iterates over all
counters and starts a task, and the one in Redis needs a second round trip for the end of the window.
"""

import hashlib
import math
import time
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import structlog
from limits import RateLimitItem

from app.platform import metrics
from app.platform.patience import RedisUnavailable, redis_at

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from app.platform.redis_client import PatientRedis

log = structlog.get_logger(__name__)

MAX_KEYS = 100_000
"""The most counters in memory: about 20 MiB, and more clients than one process can serve in a minute."""
_MAX_KEY_LENGTH = 200
_REDIS_TIMEOUT = 0.5
# After Redis did not answer, its counters are left alone for so long: otherwise each request would wait for it again.
_REDIS_PAUSE = 1.0


class RateLimitResult(NamedTuple):
    """The limiter's answer for one request.

    Attributes:
        limit: requests allowed in the window.
        remaining: requests left in the window.
        reset_after: whole seconds until the window ends.
        allowed: whether the request is within the limit.
    """

    limit: int
    remaining: int
    reset_after: int
    allowed: bool = True

    @classmethod
    def of(cls, limit: RateLimitItem, count: int, seconds_left: float) -> "RateLimitResult":
        """Return the result for the request that is number `count` in its window."""
        remaining = max(0, limit.amount - count)
        return cls(limit.amount, remaining, max(1, math.ceil(seconds_left)), allowed=count <= limit.amount)


class MemoryCounters:
    """At most `MAX_KEYS` counters, each of which is removed after its window ends."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, float]] = {}
        self._next_sweep = 0.0

    def increment(self, key: str, window: int) -> int:
        """Count one hit, and return the number of hits in the current window of `window` seconds."""
        now = time.monotonic()
        if now >= self._next_sweep:
            self._sweep(now)
            self._next_sweep = now + 60
        if len(self._counts) >= MAX_KEYS and key not in self._counts:
            self._make_room(now)
        count, ends = self._counts.get(key, (0, now))
        if ends <= now:
            count, ends = 0, now + window
        self._counts[key] = (count + 1, ends)
        return count + 1

    def renew(self, key: str, window: int) -> None:
        """Begin a new window of `window` seconds that has one hit."""
        self._counts.pop(key, None)
        self.increment(key, window)

    def count(self, key: str) -> int:
        """Return the number of hits in the current window."""
        count, ends = self._counts.get(key, (0, 0.0))
        return count if ends > time.monotonic() else 0

    def seconds_left(self, key: str) -> float:
        """Return the seconds until the window of `key` ends; 0 when it has no window."""
        _, ends = self._counts.get(key, (0, 0.0))
        return max(0.0, ends - time.monotonic())

    def _sweep(self, now: float) -> None:
        self._counts = {k: v for k, v in self._counts.items() if v[1] > now}

    def _make_room(self, now: float) -> None:
        # Remove the half with the fewest hits. Keys at their limit stay refused, while a flood of addresses has one hit
        # each; so new clients are never refused for lack of room. Removing half keeps this, and its warning, rare.
        self._sweep(now)
        if len(self._counts) > MAX_KEYS // 2:
            median = sorted(count for count, _ in self._counts.values())[len(self._counts) // 2]
            self._counts = {k: v for k, v in self._counts.items() if v[0] > median}
            log.warning("rate_limit_keys_forgotten", limit=MAX_KEYS, kept=len(self._counts))


class RateLimiter:
    """Counts hits per key. While Redis does not answer, each process counts in its own memory.

    A request waits for at most two calls of Redis that do not answer; those of the next second do not ask.
    """

    def __init__(self, redis_url: str | None = None) -> None:
        self._memory = MemoryCounters()
        self._redis = redis_at(redis_url)
        self._paused_until = 0.0

    async def hit(self, limit: RateLimitItem, key: str) -> RateLimitResult:
        """Count one request of `key`. Redis needs one round trip."""
        counter, window = _counter(limit, key), limit.get_expiry()
        if redis := self._answering():
            try:
                async with redis.asked(_REDIS_TIMEOUT) as client:
                    return RateLimitResult.of(limit, *await self._count_in(client, counter, window))
            except RedisUnavailable as error:
                self._pause(error)
        count = self._memory.increment(counter, window)
        return RateLimitResult.of(limit, count, self._memory.seconds_left(counter))

    async def count(self, limit: RateLimitItem, key: str) -> int:
        """Return the number of requests of `key` in the current window, without counting one."""
        counter = _counter(limit, key)
        if redis := self._answering():
            try:
                async with redis.asked(_REDIS_TIMEOUT) as client:
                    # not GET, which a server answers that a fail-over has made read-only
                    return int(await client.getex(counter) or 0)
            except RedisUnavailable as error:
                self._pause(error)
        return self._memory.count(counter)

    async def renew(self, limit: RateLimitItem, key: str) -> None:
        """Begin a new window of `key` that has one request."""
        counter, window = _counter(limit, key), limit.get_expiry()
        if redis := self._answering():
            try:
                async with redis.asked(_REDIS_TIMEOUT) as client:
                    await client.set(counter, 1, ex=window)
            except RedisUnavailable as error:
                self._pause(error)
            else:
                return
        self._memory.renew(counter, window)

    async def ping(self) -> None:
        """Ping Redis, if it is configured.

        Raises:
            ConnectionError: Redis does not answer.
        """
        if self._redis:
            try:
                async with self._redis.asked(_REDIS_TIMEOUT) as client:
                    await client.ping()
            except RedisUnavailable as error:
                message = f"Redis does not answer: {error}"
                raise ConnectionError(message) from error

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self._redis:
            await self._redis.close(_REDIS_TIMEOUT)

    def _answering(self) -> "PatientRedis | None":
        return self._redis if time.monotonic() >= self._paused_until else None

    def _pause(self, error: RedisUnavailable) -> None:
        now = time.monotonic()
        metrics.RATE_LIMIT_FALLBACKS.inc()
        # once for all requests that have waited for the same answer
        if now >= self._paused_until:
            log.warning("rate_limit_fallback", reason=str(error), seconds=_REDIS_PAUSE)
        self._paused_until = now + _REDIS_PAUSE

    @staticmethod
    async def _count_in(redis: "Redis", counter: str, window: int) -> tuple[int, float]:
        """Return the number of hits in the window, and the seconds until it ends."""
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.set(counter, 0, ex=window, nx=True)
            pipeline.incr(counter)
            pipeline.pttl(counter)
            _, count, milliseconds = await pipeline.execute()
        return int(count), milliseconds / 1000


def _counter(limit: RateLimitItem, key: str) -> str:
    if len(key) > _MAX_KEY_LENGTH:
        key = hashlib.sha256(key.encode()).hexdigest()
    before, after = _around(limit)
    return f"{before}{key}{after}"


@lru_cache(maxsize=64)
def _around(limit: RateLimitItem) -> tuple[str, str]:
    """Return what the library `limits` puts before and after a key; there are few limits."""
    before, _, after = limit.key_for("\0").partition("\0")
    return before, after
