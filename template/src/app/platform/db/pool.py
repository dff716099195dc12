"""Connection pool profiles: plain numbers, each of which a `DB_…` variable overrides."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.pool import NullPool

from app.platform.settings import DatabaseSettings, PoolProfile


@dataclass(frozen=True, slots=True)
class PoolNumbers:
    """Connections one process may hold: `size` stay open, `overflow` more come and go; `recycle` in seconds."""

    size: int
    overflow: int
    recycle: float

    @property
    def total(self) -> int:
        """The most connections the process ever holds."""
        return self.size + self.overflow


PROFILES = {
    PoolProfile.SMALL: PoolNumbers(size=5, overflow=5, recycle=3600),
    PoolProfile.MEDIUM: PoolNumbers(size=20, overflow=10, recycle=1800),
    PoolProfile.HIGH: PoolNumbers(size=50, overflow=20, recycle=900),
}


def numbers(settings: DatabaseSettings) -> PoolNumbers | None:
    """The numbers in force; `None` when an external pooler owns the connections."""
    if settings.pool_profile is PoolProfile.EXTERNAL_POOLER:
        return None
    profile = PROFILES[settings.pool_profile]
    return PoolNumbers(
        size=profile.size if settings.pool_size is None else settings.pool_size,
        overflow=profile.overflow if settings.max_overflow is None else settings.max_overflow,
        recycle=settings.pool_recycle or profile.recycle,
    )


def describe(settings: DatabaseSettings) -> dict[str, Any]:
    """The numbers in force, for the log."""
    pool = numbers(settings)
    if pool is None:
        return {"profile": settings.pool_profile, "pool": "external"}
    return {"profile": settings.pool_profile, "total": pool.total} | asdict(pool)


def engine_arguments(settings: DatabaseSettings) -> dict[str, Any]:
    """The pool's part of the arguments of `create_async_engine`."""
    pool = numbers(settings)
    if pool is None:
        return {"poolclass": NullPool}
    return {
        "pool_size": pool.size,
        "max_overflow": pool.overflow,
        "pool_recycle": pool.recycle,
        "pool_timeout": settings.pool_timeout,
    }
