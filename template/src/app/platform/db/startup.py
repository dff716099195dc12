"""Whether the database is one this version of the service can work with; migrating it."""

import asyncio
from dataclasses import dataclass

import structlog
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, inspect, text
from sqlalchemy.exc import DBAPIError, ProgrammingError, SQLAlchemyError

from app.platform.db import address, driver, migrations
from app.platform.db.errors import translate
from app.platform.db.session import Database
from app.platform.errors import DatabaseUnavailable, StartupError
from app.platform.settings import DatabaseSettings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Schema:
    """The revisions of a database beside those of this release.

    Attributes:
        missing: heads of this release that are not applied.
        unknown: applied revisions that this release does not have: they come from a newer one.
    """

    missing: set[str]
    unknown: set[str]


async def verify(database: Database) -> None:
    """Connect, sign in, and compare the schema's revisions with those of the migrations.

    Raises:
        StartupError: PostgreSQL cannot be reached, refuses us, or its schema lacks a migration.
    """
    where = address.shown(database.engine.url)
    try:
        schema = await _compare(database)
    except DatabaseUnavailable as error:
        raise _unreachable(where, error) from error
    except DBAPIError as error:
        message = f"cannot use PostgreSQL at {where}: {_reason(error.orig)}"
        raise StartupError(message) from error
    # in a rolling update this release still runs beside a newer one
    if schema.missing and not schema.unknown:
        message = (
            f"the schema of {where} is behind: {', '.join(sorted(schema.missing))} not applied; "
            "run `python -m app migrate`"
        )
        raise StartupError(message)


def migrate(settings: DatabaseSettings, models: MetaData) -> None:
    """Apply the missing migrations; change nothing when a newer release has applied its own.

    Raises:
        StartupError: PostgreSQL cannot be reached, or the schema is that of another service.
    """
    where = address.shown(driver.url(settings))
    try:
        migrations.upgrade()
    except DatabaseUnavailable as error:
        raise _unreachable(where, error) from error
    except CommandError:
        # compared afterwards, because a newer release may have migrated while this one waited for its turn
        unknown, absent = asyncio.run(_ahead(settings, models))
        if not unknown:
            raise
        if absent:
            message = (
                f"the schema of {where} is not that of this service: "
                f"unknown revision {', '.join(unknown)}, missing table {', '.join(absent)}"
            )
            raise StartupError(message) from None
        log.warning("schema_is_newer", unknown=unknown)


def temporary(error: SQLAlchemyError) -> str | None:
    """Return the reason in one line when the error may be gone at the next attempt; `None` when it is a bug."""
    failure = translate(error)
    if failure is None or failure.status < 500:
        return None
    return _reason(error.orig) if isinstance(error, DBAPIError) else str(failure)


async def _ahead(settings: DatabaseSettings, models: MetaData) -> tuple[list[str], list[str]]:
    """Return the unknown revisions, and the absent tables of this release; a newer release keeps all of them."""

    def find_absent(connection: Connection) -> list[str]:
        there = inspect(connection)
        return sorted(name for name, table in models.tables.items() if not there.has_table(table.name, table.schema))

    database = Database(settings)
    await database.init()
    try:
        unknown = (await _compare(database)).unknown
        async with database.read() as session:
            return sorted(unknown), await (await session.connection()).run_sync(find_absent)
    finally:
        await database.close()


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
            # no such table: nothing was ever migrated
            return set()


def _unreachable(where: str, error: DatabaseUnavailable) -> StartupError:
    return StartupError(f"cannot connect to PostgreSQL at {where}: {_reason(error.__cause__)}")


def _reason(error: BaseException | None) -> str:
    """The first line of what the driver says; of several addresses that were tried, libpq gives each a line."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
