"""Whether the database is one this version of the service can work with."""

from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from app.db import migrations
from app.db.session import Database
from app.errors import DatabaseUnavailable, StartupError


async def verify(database: Database) -> None:
    """Connect, sign in, and compare the schema's revisions with those of the migrations.

    Raises:
        StartupError: PostgreSQL cannot be reached, refuses us, or its schema lacks a migration.
    """
    where = database.engine.url.render_as_string(hide_password=True)
    try:
        applied = await _applied_revisions(database)
    except DatabaseUnavailable as error:
        message = f"cannot connect to PostgreSQL at {where}: {_reason(error.__cause__)}"
        raise StartupError(message) from error
    except DBAPIError as error:
        message = f"cannot use PostgreSQL at {where}: {_reason(error.orig)}"
        raise StartupError(message) from error
    scripts = ScriptDirectory.from_config(migrations.config())
    missing = set(scripts.get_heads()) - applied
    # a revision we do not know comes from a newer release, next to which this one still runs in a rolling update
    ahead = applied - {script.revision for script in scripts.walk_revisions()}
    if missing and not ahead:
        message = (
            f"the schema of {where} is behind: {', '.join(sorted(missing))} not applied; run `python -m app migrate`"
        )
        raise StartupError(message)


async def _applied_revisions(database: Database) -> set[str]:
    async with database.read() as session:
        try:
            return set(await session.scalars(text("SELECT version_num FROM alembic_version")))
        except ProgrammingError:
            # no such table: nothing was ever migrated
            return set()


def _reason(error: BaseException | None) -> str:
    """The first line of what the driver says; of several addresses that were tried, libpq gives each a line."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
