"""Which users have written a moment ago: what they read next must show it, so it comes from the primary.

Each process knows of its own users. With `REDIS_URL` processes tell each other.
"""

import time
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform import metrics
from app.platform.context import actor_id
from app.platform.patience import RedisUnavailable, redis_at

log = structlog.get_logger(__name__)

MAX_USERS = 100_000
"""The most users in memory, about 15 MiB; when there are more, all reads go to the primary for a while."""
_REDIS_TIMEOUT = 0.5
# after Redis did not answer, a write does not wait for it for so long
_REDIS_PAUSE = 1.0
_WRITER = "recent_writer"


def written_for(session: AsyncSession, user_id: UUID) -> None:
    """Say that the transaction of this session writes for a user other than the caller, such as one who signs in."""
    session.info[_WRITER] = user_id


class RecentWriters:
    """Remembers users for some seconds after each of their transactions.

    While Redis does not answer, and for as long after it as a write counts, all users count as recent writers: nobody
    knows what other processes have written. Processes that Redis still answers do not learn of what this one writes.
    """

    def __init__(self, seconds: float, redis_url: str | None, service: str) -> None:
        self._seconds = seconds
        self._prefix = f"recent_writer/{service}/"
        self._until: dict[UUID, float] = {}
        self._unsure_until = 0.0
        self._paused_until = 0.0
        self._redis = redis_at(redis_url)

    async def note(self, session: AsyncSession) -> None:
        """Note the writer of a session; wait for Redis no longer than `_REDIS_TIMEOUT`."""
        user = session.info.get(_WRITER) or actor_id()
        if user is None:
            return
        now = time.monotonic()
        self._remember(user, now)
        if self._redis is None or now < self._paused_until:
            return
        try:
            async with self._redis.asked(_REDIS_TIMEOUT) as redis:
                await redis.set(f"{self._prefix}{user}", 1, px=round(self._seconds * 1000))
        except RedisUnavailable as error:
            self._fall_back(error)

    async def has(self, user: UUID) -> bool:
        """Return whether the user may have written a moment ago; with Redis this is a round trip to it."""
        now = time.monotonic()
        if now < self._until.get(user, 0.0) or now < self._unsure_until:
            return True
        if self._redis is None:
            return False
        try:
            async with self._redis.asked(_REDIS_TIMEOUT) as redis:
                # not EXISTS, which a server answers that a fail-over has made read-only
                return await redis.getex(f"{self._prefix}{user}") is not None
        except RedisUnavailable as error:
            self._fall_back(error)
            return True

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self._redis is not None:
            await self._redis.close(_REDIS_TIMEOUT)

    def _remember(self, user: UUID, now: float) -> None:
        # sorted by time, because the latest is always last
        self._until.pop(user, None)
        self._until[user] = now + self._seconds
        while (oldest := next(iter(self._until))) != user:
            if self._until[oldest] > now:
                if len(self._until) <= MAX_USERS:
                    return
                if now >= self._unsure_until:
                    log.warning("recent_writers_forgotten", limit=MAX_USERS)
                self._unsure_until = now + self._seconds
            del self._until[oldest]

    def _fall_back(self, error: RedisUnavailable) -> None:
        now = time.monotonic()
        metrics.DB_RECENT_WRITER_FALLBACKS.inc()
        # once for all requests that have waited for the same answer
        if now >= self._paused_until:
            log.warning("recent_writers_fallback", reason=str(error), seconds=self._seconds)
        self._paused_until, self._unsure_until = now + _REDIS_PAUSE, now + self._seconds
