"""Verify that this release of the service can use the database, and migrate the database."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, inspect, text
from sqlalchemy.exc import DBAPIError, ProgrammingError, SQLAlchemyError

from app.platform import tracebacks
from app.platform.db import address, driver, in_force, migrations, poolers
from app.platform.db.base import Base
from app.platform.db.errors import translate
from app.platform.db.session import Database
from app.platform.errors import DatabaseUnavailable, StartupError
from app.platform.settings import DatabaseSettings

# SQLSTATEs about prepared statements: one does not exist, or exists already
_SHARED_CONNECTION = {"26000", "42P05"}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Schema:
    """How the database's revisions differ from those of this release.

    Attributes:
        missing: heads of this release that are not applied.
        unknown: applied revisions that this release does not have, because a newer release applied them.
    """

    missing: set[str]
    unknown: set[str]


async def verify(database: Database, settings: DatabaseSettings) -> None:
    """Connect, see that our settings are in force, and compare the applied revisions with those of this release.

    Raises:
        StartupError: PostgreSQL cannot be reached, refuses the connection, is behind a pooler for which the profile is
            wrong, its schema lacks a migration, or belongs to another service.
    """
    where = address.redacted(database.engine.url)
    with _explained(where):
        await in_force.verify(database, settings)
        schema = await _compare(database)
        absent = await _absent_tables(database, Base.metadata) if schema.unknown else []
    if absent:
        raise _foreign(where, schema, absent)
    # unknown revisions are no error by themselves: in a rolling update this release runs beside a newer one
    if schema.missing and not schema.unknown:
        message = (
            f"the schema of {where} is behind: {', '.join(sorted(schema.missing))} not applied; "
            "run `python -m app migrate`"
        )
        raise StartupError(message)


async def verify_connection(database: Database, settings: DatabaseSettings) -> None:
    """Connect, and see that our settings are in force.

    Raises:
        StartupError: PostgreSQL cannot be reached, refuses the connection, or is behind a pooler for which the profile
            is wrong.
    """
    with _explained(address.redacted(database.engine.url)):
        await in_force.verify(database, settings)


def migrate(settings: DatabaseSettings, models: MetaData) -> None:
    """Apply the missing migrations. Change nothing when a newer release has migrated the database.

    Raises:
        StartupError: PostgreSQL cannot be reached, or the schema belongs to another service.
    """
    direct = poolers.for_migrations(settings)
    where = address.redacted(driver.url(direct))
    try:
        migrations.upgrade()
    except DatabaseUnavailable as error:
        raise _unreachable(where, error) from error
    except CommandError:
        # compare only now, because a newer release may have migrated while this one waited for the lock
        schema, absent = asyncio.run(_ahead(direct, models))
        if not schema.unknown:
            raise
        if absent:
            raise _foreign(where, schema, absent) from None
        log.warning("schema_is_newer", unknown=sorted(schema.unknown))


def temporary_reason(error: SQLAlchemyError) -> str | None:
    """Return in one line why the database cannot do something now; `None` when trying again would not help."""
    failure = translate(error)
    if failure is None or failure.status < 500:
        return None
    return _reason(error.orig) if isinstance(error, DBAPIError) else str(failure)


async def _ahead(settings: DatabaseSettings, models: MetaData) -> tuple[Schema, list[str]]:
    """Return how the revisions differ, and this release's tables that are absent."""
    database = Database(settings)
    await database.init()
    try:
        return await _compare(database), await _absent_tables(database, models)
    finally:
        await database.close()


async def _absent_tables(database: Database, models: MetaData) -> list[str]:
    """Return this release's tables that the database lacks; a newer release drops none of them."""

    def find(connection: Connection) -> list[str]:
        schema = inspect(connection)
        return sorted(name for name, table in models.tables.items() if not schema.has_table(table.name, table.schema))

    async with database.read() as session:
        return await (await session.connection()).run_sync(find)


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Raise `StartupError` for what is wrong with the connection."""
    try:
        yield
    except DatabaseUnavailable as error:
        raise _unreachable(where, error) from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in _SHARED_CONNECTION:
            raise poolers.wrong_profile(where) from error
        message = f"cannot use PostgreSQL at {where}: {_reason(error.orig)}"
        raise StartupError(message) from error


def _foreign(where: str, schema: Schema, absent: list[str]) -> StartupError:
    return StartupError(
        f"the schema of {where} is not that of this service: "
        f"unknown revision {', '.join(sorted(schema.unknown))}, missing table {', '.join(absent)}"
    )


async def _compare(database: Database) -> Schema:
    applied = await _applied_revisions(database)
    scripts = ScriptDirectory.from_config(migrations.config())
    known = {script.revision for script in scripts.walk_revisions()}
    return Schema(missing=set(scripts.get_heads()) - applied, unknown=applied - known)


async def _applied_revisions(database: Database) -> set[str]:
    async with database.read() as session:
        try:
            return set(await session.scalars(text("SELECT version_num FROM alembic_version")))
        except ProgrammingError:
            # the table does not exist: this database was never migrated
            return set()


def _unreachable(where: str, error: DatabaseUnavailable) -> StartupError:
    reason = _reason(error.__cause__)
    # PgBouncer's words for what the other profiles send
    mend = f"; {poolers.MEND}" if "unsupported startup parameter" in reason else ""
    return StartupError(f"cannot connect to PostgreSQL at {where}: {reason}{mend}")


def _reason(error: BaseException | None) -> str:
    """Return the first line of the driver's message; libpq writes one line for each address it tried."""
    return (tracebacks.message(error) if error else "") or type(error).__name__
