"""Fixed-window counters for rate limits: in this process's memory, or in Redis for all processes.

The library `limits` parses the limits and counts in Redis. Its memory storage is not used, because at every request it
iterates over all counters and starts a task.
"""

import hashlib
import math
import time
from dataclasses import dataclass

import structlog
from limits import RateLimitItem
from limits.aio.storage import RedisStorage
from limits.errors import StorageError
from redis.asyncio import ConnectionPool

from app.platform import metrics

log = structlog.get_logger(__name__)

MAX_KEYS = 100_000
"""The most counters in memory: about 20 MiB, and more clients than one process can serve in a minute."""
_MAX_KEY_LENGTH = 200


@dataclass(frozen=True, slots=True)
class RateLimitResult:
    """The limiter's answer for one request.

    Attributes:
        limit: requests allowed in the window.
        remaining: requests left in the window.
        reset_after: whole seconds until the window ends; 0 when the request is allowed.
    """

    limit: int
    remaining: int
    reset_after: int = 0


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
    """Counts hits per key. While Redis does not answer, each process counts in its own memory."""

    def __init__(self, redis_url: str | None = None) -> None:
        self._memory = MemoryCounters()
        self._redis: RedisStorage | None = None
        self._connections: ConnectionPool | None = None
        if redis_url:
            # the limiter must not delay a request for longer than this
            timeouts = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}
            self._connections = ConnectionPool.from_url(redis_url, **timeouts)
            self._redis = RedisStorage(
                f"async+{redis_url}",
                wrap_exceptions=True,
                implementation="redispy",
                connection_pool=self._connections,  # type: ignore[arg-type] # documented, not annotated
            )

    async def hit(self, limit: RateLimitItem, key: str) -> RateLimitResult:
        """Count one request of `key`. Redis needs one round trip, and a second one when the limit is exceeded."""
        if len(key) > _MAX_KEY_LENGTH:
            key = hashlib.sha256(key.encode()).hexdigest()
        counter = limit.key_for(key)
        try:
            return await self._count(limit, counter)
        except StorageError as error:
            metrics.RATE_LIMIT_FALLBACKS.inc()
            log.warning("rate_limit_fallback", reason=str(error))
            return self._count_here(limit, counter)

    async def ping(self) -> None:
        """Ping Redis, if it is configured.

        Raises:
            ConnectionError: Redis does not answer.
        """
        if self._redis and not await self._redis.check():
            message = "Redis does not answer"
            raise ConnectionError(message)

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self._connections:
            await self._connections.aclose()

    async def _count(self, limit: RateLimitItem, counter: str) -> RateLimitResult:
        if self._redis is None:
            return self._count_here(limit, counter)
        count = await self._redis.incr(counter, limit.get_expiry())
        if count <= limit.amount:
            return RateLimitResult(limit.amount, limit.amount - count)
        ends = await self._redis.get_expiry(counter)
        return RateLimitResult(limit.amount, 0, max(1, math.ceil(ends - time.time())))

    def _count_here(self, limit: RateLimitItem, counter: str) -> RateLimitResult:
        count = self._memory.increment(counter, limit.get_expiry())
        if count <= limit.amount:
            return RateLimitResult(limit.amount, limit.amount - count)
        return RateLimitResult(limit.amount, 0, max(1, math.ceil(self._memory.seconds_left(counter))))
