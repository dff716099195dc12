"""What a process opens once: opened in this order, closed in reverse, also when opening fails half-way."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog

from app.config import Settings
from app.db import pool, startup
from app.db.session import Database
from app.rate_limits import RateLimiter
from app.security import PasswordHasher

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """A readiness check: `ping` raises when the dependency does not answer. Only critical ones make us unready."""

    name: str
    ping: Callable[[], Awaitable[None]]
    critical: bool = True


@dataclass(frozen=True, slots=True)
class Resources:
    """The open resources of a process."""

    settings: Settings
    database: Database
    hasher: PasswordHasher
    limiter: RateLimiter
    # add your own below
    checks: tuple[Check, ...]


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open and verify everything.

    Raises:
        StartupError: PostgreSQL cannot be used as it is; says why in one line.
        ConfigError: `DATABASE_URL` is not one this service can use.
    """
    async with AsyncExitStack() as stack:
        database = Database(settings.database)
        await database.init()
        stack.push_async_callback(database.close)
        await startup.verify(database)
        log.info("database_pool", **pool.describe(settings.database))

        hasher = PasswordHasher(settings.auth)
        stack.callback(hasher.close)

        redis_url = settings.process.redis_url
        limiter = RateLimiter(redis_url.get_secret_value() if redis_url else None)
        stack.push_async_callback(limiter.close)

        checks = [Check("postgresql", database.ping)]
        if redis_url:
            # the limiter counts by itself meanwhile
            checks.append(Check("redis", limiter.ping, critical=False))
        # add your own below

        yield Resources(settings, database, hasher, limiter, tuple(checks))
