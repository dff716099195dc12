"""Read our settings back from the server, because a pooler may drop them, or give our connections to others."""

from dataclasses import dataclass

import structlog
from sqlalchemy import text

from app.platform.db import address, poolers
from app.platform.db.session import Database
from app.platform.errors import StartupError
from app.platform.settings import DatabaseSettings, PoolProfile

log = structlog.get_logger(__name__)

_IN_FORCE = text(
    """
    SELECT name, setting, unit, pg_backend_pid() AS process,
        format('ALTER ROLE %I IN DATABASE %I SET %s = ', session_user, current_database(), name) AS mend
    FROM pg_settings
    WHERE name IN ('TimeZone', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')
    """
)


@dataclass(frozen=True, slots=True)
class InForce:
    """What a connection says about itself.

    Attributes:
        dropped: the settings that are not as we asked for, each with the statement that mends it.
        pooled: whether a pooler is between.
    """

    dropped: dict[str, str]
    pooled: bool


async def verify(database: Database, settings: DatabaseSettings) -> None:
    """Compare the time zone and the timeouts of a connection with our settings; a stricter timeout is fine.

    Raises:
        StartupError: without the profile `external_pooler` something is not in force, or a pooler shares connections.
    """
    if settings.pool_profile is PoolProfile.EXTERNAL_POOLER:
        return
    found = await _read_back(database, settings)
    where = address.redacted(database.engine.url)
    if found.dropped:
        names = ", ".join(found.dropped)
        message = f"PostgreSQL at {where} does not apply our {names}; behind a pooler {poolers.MEND}"
        raise StartupError(message)
    if found.pooled and await poolers.shares_connections(settings):
        raise poolers.wrong_profile(where)


async def warn_of_dropped_settings(database: Database, settings: DatabaseSettings) -> None:
    """Log what is not in force behind an external pooler, with the statements that mend it."""
    if settings.pool_profile is PoolProfile.EXTERNAL_POOLER:
        dropped = (await _read_back(database, settings)).dropped
        if dropped:
            log.warning("database_settings_not_in_force", settings=list(dropped), run=list(dropped.values()))


async def _read_back(database: Database, settings: DatabaseSettings) -> InForce:
    async with database.read() as session:
        rows = (await session.execute(_IN_FORCE)).all()
        announced = await poolers.announced_process(await session.connection())
    dropped = {
        row.name: f"{row.mend}'{wanted}{row.unit or ''}'"
        for row in rows
        if not _is_kept(row.setting, wanted := _wanted(row.name, settings))
    }
    return InForce(dropped, pooled=rows[0].process != announced)


def _wanted(name: str, settings: DatabaseSettings) -> str:
    """Return the value as the server shows it: timeouts are in milliseconds."""
    seconds = {
        "statement_timeout": settings.statement_timeout,
        "lock_timeout": settings.lock_timeout,
        "idle_in_transaction_session_timeout": settings.idle_in_transaction_timeout,
    }
    return f"{seconds[name] * 1000:.0f}" if name in seconds else "UTC"


def _is_kept(found: str, wanted: str) -> bool:
    if found.removeprefix("Etc/") == wanted:
        return True
    # 0 is no timeout
    return wanted.isdigit() and 0 < int(found) < int(wanted)
