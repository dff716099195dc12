"""How many connections the server allows this role and database, and how many others use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Row, text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from app.platform import metrics
from app.platform.db import pool
from app.platform.db.session import Database
from app.platform.errors import DatabaseUnavailable
from app.platform.settings import DatabaseSettings
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

# `reserved_connections` exists since PostgreSQL 16. A superuser could use what is reserved, but leaves it to people.
_ALLOWED = text(
    """
    SELECT
        CAST(current_setting('max_connections') AS integer) AS most,
        CAST(current_setting('superuser_reserved_connections') AS integer)
            + CASE WHEN NOT role.rolsuper AND EXISTS (
                SELECT FROM pg_roles AS special
                WHERE special.rolname = 'pg_use_reserved_connections' AND pg_has_role(role.oid, special.oid, 'USAGE')
            ) THEN 0 ELSE CAST(coalesce(current_setting('reserved_connections', true), '0') AS integer) END AS reserved,
        CASE WHEN role.rolsuper THEN -1 ELSE role.rolconnlimit END AS of_role,
        CASE WHEN role.rolsuper THEN -1 ELSE base.datconnlimit END AS of_database
    FROM pg_roles AS role, pg_database AS base
    WHERE role.rolname = session_user AND base.datname = current_database()
    """
)

# The type of other roles' processes is hidden without pg_read_all_stats: count those that have a role and a database.
# The names of other databases are not read: they may be in another encoding, and are nobody's business here.
_USED = text(
    """
    SELECT
        coalesce(application_name, '') AS application,
        coalesce(datname = current_database(), false) AS same_database,
        coalesce(usename = session_user, false) AS same_role,
        count(*) AS connections
    FROM pg_stat_activity
    WHERE usesysid IS NOT NULL AND datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
    GROUP BY 1, 2, 3
    ORDER BY 4 DESC, 1
    """
)


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of connections.

    Attributes:
        name: what sets it, such as `max_connections`.
        most: how many it allows.
        reserved: how many of them are for administrators.
        others: how many others use now that count here.
    """

    name: str
    most: int
    reserved: int = 0
    others: int = 0

    @property
    def usable(self) -> int:
        """Return how many connections are left when nobody else is connected."""
        return max(0, self.most - self.reserved)

    @property
    def available(self) -> int:
        """Return how many connections others leave."""
        return max(0, self.usable - self.others)


@dataclass(frozen=True, slots=True)
class Usage:
    """Connections that are open now.

    Attributes:
        ours: those of this role to this database.
        others: all others, by the name of their application and whether they are to this database.
        in_database: how many of the others are to this database.
        of_role: how many of the others are of this role.
        known: whether this role may see them.
    """

    ours: int = 0
    others: tuple[tuple[str, bool, int], ...] = ()
    in_database: int = 0
    of_role: int = 0
    known: bool = True

    @property
    def total(self) -> int:
        """Return the number of the others."""
        return sum(count for *_, count in self.others)


async def read_limits(database: Database, usage: Usage) -> list[Limit]:
    """Return the limits that apply to this role and database, with those of the connections in use that count."""
    async with database.read() as session:
        row = (await session.execute(_ALLOWED)).one()
    limits = [Limit("max_connections", row.most, row.reserved, usage.total)]
    # negative: no limit
    if row.of_role >= 0:
        limits.append(Limit("CONNECTION LIMIT of the role", row.of_role, others=usage.of_role))
    if row.of_database >= 0:
        limits.append(Limit("CONNECTION LIMIT of the database", row.of_database, others=usage.in_database))
    return limits


async def read_usage(database: Database) -> Usage:
    """Return the connections that are open now; nothing is known when the role may not see them."""
    try:
        async with database.read() as session:
            return _usage((await session.execute(_USED)).all())
    except ProgrammingError:
        # somebody has revoked the right to read pg_stat_activity
        return Usage(known=False)


def _usage(rows: Sequence[Row[Any]]) -> Usage:
    others = [row for row in rows if not (row.same_database and row.same_role)]
    return Usage(
        ours=sum(row.connections for row in rows) - sum(row.connections for row in others),
        others=tuple((row.application, row.same_database, row.connections) for row in others),
        in_database=sum(row.connections for row in others if row.same_database),
        of_role=sum(row.connections for row in others if row.same_role),
    )


async def warn_of_greedy_pool(database: Database, settings: DatabaseSettings) -> None:
    """Log a warning when the pool of one process can take all connections that this role and database may open.

    The gauge `db_connection_limit` shows how many these are.
    """
    numbers = pool.numbers(settings)
    if numbers is None:
        return
    try:
        limit = min(await read_limits(database, Usage()), key=lambda each: each.usable)
    except (SQLAlchemyError, DatabaseUnavailable) as error:
        # the process can work without this check
        log.info("connection_limits_unknown", reason=summary(error))
        return
    metrics.DB_CONNECTION_LIMIT.set(limit.usable)
    if numbers.total >= limit.usable:
        log.warning("pool_can_take_all_connections", total=numbers.total, usable=limit.usable, limit=limit.name)
