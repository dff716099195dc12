"""Connection pool profiles: named sets of numbers. A `DB_…` variable overrides each number."""

from dataclasses import asdict, dataclass
from typing import Any

from app.platform.db.gate import Gate
from app.platform.db.pool_classes import Unpooled, keeping
from app.platform.settings import DatabaseSettings, PoolProfile


@dataclass(frozen=True, slots=True)
class PoolNumbers:
    """The pool of one process.

    Attributes:
        size: connections that stay open.
        overflow: additional connections, closed when they have not been needed for half a minute.
        recycle: seconds after which a connection is replaced.
    """

    size: int
    overflow: int
    recycle: float

    @property
    def total(self) -> int:
        """Return the largest number of connections that the process can hold."""
        return self.size + self.overflow


PROFILES = {
    PoolProfile.SMALL: PoolNumbers(size=5, overflow=5, recycle=3600),
    PoolProfile.MEDIUM: PoolNumbers(size=20, overflow=10, recycle=1800),
    PoolProfile.HIGH: PoolNumbers(size=50, overflow=20, recycle=900),
}

EXTERNAL_CONNECTIONS = 50
"""The most connections of a process to an external pooler, unless `DB_POOL_SIZE` says so. PgBouncer accepts 100."""

WAITING_PER_CONNECTION = 25
"""How many units of work may wait for each connection: of 256 clients of a pool with 10, none is refused."""

BESIDE_THE_GATE = 2
"""Connections that a process may open for a moment beyond those of its gate: for the gate's spare place, and for a
readiness check."""

ANSWER_MARGIN = 5.0
"""Seconds between `DB_STATEMENT_TIMEOUT`, when the server cancels a statement, and the end of waiting for an answer."""


def numbers(settings: DatabaseSettings) -> PoolNumbers | None:
    """Return the profile's numbers with the overrides applied; `None` when an external pooler holds the connections."""
    if settings.pool_profile is PoolProfile.EXTERNAL_POOLER:
        return None
    profile = PROFILES[settings.pool_profile]
    return PoolNumbers(
        size=profile.size if settings.pool_size is None else settings.pool_size,
        overflow=profile.overflow if settings.max_overflow is None else settings.max_overflow,
        recycle=settings.pool_recycle or profile.recycle,
    )


def describe(settings: DatabaseSettings) -> dict[str, Any]:
    """Return the numbers for the log."""
    pool = numbers(settings)
    if pool is None:
        return {"profile": settings.pool_profile, "pool": "external"}
    return {"profile": settings.pool_profile, "total": pool.total} | asdict(pool)


def gate(settings: DatabaseSettings) -> Gate:
    """Return the gate of the pool."""
    pool = numbers(settings)
    places = pool.total if pool else settings.pool_size or EXTERNAL_CONNECTIONS
    most = settings.pool_max_waiting or WAITING_PER_CONNECTION * places
    return Gate(places, settings.pool_timeout, most, deadline(settings))


def deadline(settings: DatabaseSettings) -> float:
    """Return the most seconds to wait for an answer; the server ends a statement earlier, unless it is out of reach."""
    return settings.statement_timeout + ANSWER_MARGIN


def engine_arguments(settings: DatabaseSettings) -> dict[str, Any]:
    """Return the arguments of `create_async_engine` that concern the pool."""
    pool = numbers(settings)
    if pool is None:
        return {"poolclass": Unpooled}
    return {
        "poolclass": keeping(pool.size),
        "pool_size": pool.total + BESIDE_THE_GATE,
        "max_overflow": 0,
        "pool_recycle": pool.recycle,
        "pool_timeout": settings.pool_timeout,
    }
