"""Find out whether a pooler, such as PgBouncer, is between us and PostgreSQL, and keep migrations away from it."""

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.platform.db import address, driver
from app.platform.db.session import Database
from app.platform.errors import StartupError
from app.platform.settings import ConfigError, DatabaseSettings, PoolProfile

# what to do with the wrong profile
MEND = "set DB_POOL_PROFILE=external_pooler, see docs/tuning.md"
# We wait for a second connection of a pooler for so long, and for DB_CONNECT_TIMEOUT.
SECONDS = 5.0
TRIES = 5

_PID = text("SELECT pg_backend_pid()")


def wrong_profile(where: str) -> StartupError:
    """Return the refusal to start at a pooler in transaction mode with another profile than `external_pooler`."""
    return StartupError(f"PostgreSQL at {where} is behind a pooler in transaction mode: {MEND}")


async def shares_connections(settings: DatabaseSettings, *, in_doubt: bool = False) -> bool:
    """Return whether a pooler gives each transaction another connection to the server: "transaction mode".

    PostgreSQL announces the id of the connection's process; poolers announce a number of their own. If so, each of two
    clients of a pooler in session mode has a process to itself. In transaction mode the process of one client is soon
    that of another: at once in an idle pooler, and in a busy one the first client meets a second process. A pooler
    that has no second connection for us leaves it open; then return `in_doubt`.
    """
    pooled = False
    database = Database(settings.model_copy(update={"pool_profile": PoolProfile.EXTERNAL_POOLER}))
    await database.init()
    try:
        async with asyncio.timeout(settings.connect_timeout + SECONDS), database.engine.connect() as one:
            process = await _process(one)
            if not (pooled := process != await announced_process(one)):
                return False
            async with database.engine.connect() as other:
                for _ in range(TRIES):
                    if await _process(one) != process or await _process(other) == process:
                        return True
    except TimeoutError:
        return pooled and in_doubt
    finally:
        await database.close()
    return False


def for_migrations(settings: DatabaseSettings) -> DatabaseSettings:
    """Return the settings of migrations: with `DB_MIGRATION_URL`, if it is set, and then without a pooler.

    Raises:
        ConfigError: it is not a PostgreSQL URL, or names another driver. The message shows no part of it.
    """
    if not settings.migration_url:
        return settings
    chosen = settings.elsewhere(settings.migration_url).model_copy(update={"pool_profile": PoolProfile.SMALL})
    try:
        driver.url(chosen)
    except ConfigError as error:
        raise ConfigError(str(error).replace("DATABASE_URL", "DB_MIGRATION_URL")) from None
    return chosen


async def verify_for_migrations(settings: DatabaseSettings) -> None:
    """Refuse a pooler in transaction mode: other clients would get the lock and the timeouts of a migration.

    Raises:
        StartupError: there is one.
    """
    if await shares_connections(settings, in_doubt=True):
        where = address.redacted(driver.url(settings))
        message = (
            f"PostgreSQL at {where} is behind a pooler in transaction mode, where migrations are not safe: "
            "set DB_MIGRATION_URL to the address of PostgreSQL itself"
        )
        raise StartupError(message)


async def announced_process(connection: AsyncConnection) -> int:
    """Return the id of the server process that was announced when the connection was made."""
    raw = await connection.get_raw_connection()
    return driver.announced_process(raw.driver_connection)


async def _process(connection: AsyncConnection) -> int | None:
    """Return the id of the server process that a transaction runs in."""
    process: int | None = await connection.scalar(_PID)
    await connection.rollback()
    return process
