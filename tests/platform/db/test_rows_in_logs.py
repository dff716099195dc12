"""Errors of PostgreSQL are logged with names, never with rows or parameters: at every level, in both formats."""

import logging as stdlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidRequestError
from starlette.requests import Request

from app.features.users.models import User
from app.platform import logging
from app.platform.db.session import Database
from app.platform.http.handlers import _on_database_error
from app.platform.settings import Environment, LogSettings
from tests.support.databases import execute
from tests.support.server import run_command

ROW = "hunter2@example.com"
RAISE = "DO $$BEGIN RAISE EXCEPTION '{message}' USING {options}; END$$"
CONTEXT = """
    CREATE FUNCTION pg_temp.refuse(email text) RETURNS int LANGUAGE plpgsql AS
    $$BEGIN RETURN 1 / length(replace(email, email, '')); END$$
"""
KINDS = {
    # what is done, and a name that must be in the log
    "a unique row": (f"INSERT INTO pair VALUES ('{ROW}'), ('{ROW}')", "pair_pkey"),
    "a checked row of lines": (f"INSERT INTO pair VALUES (E'short\\n{ROW}\\nend')", "ck_pair"),
    "a missing column": (f"INSERT INTO pair (other) VALUES ('{ROW}')", "mail"),
    "a value that is no number": (f"SELECT CAST(CAST('{ROW}' AS text) AS integer)", "22P02"),
    "a message of ours": (RAISE.format(message=ROW, options="ERRCODE = 'P0001'"), "P0001"),
    "a message in a class of names": (RAISE.format(message=ROW, options="ERRCODE = '42501'"), "42501"),
    "a detail of lines": (RAISE.format(message="no", options=f"DETAIL = E'first\\n{ROW}\\n\\nlast'"), "P0001"),
    "a hint": (RAISE.format(message="no", options=f"HINT = '{ROW}'"), "P0001"),
    "a context": (f"SELECT pg_temp.refuse('{ROW}')", "22012"),
    "an unknown column": ("SELECT missing_column", 'column "missing_column" does not exist'),
}


@pytest.fixture(params=[True, False], ids=["json", "text"])
def start(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Return a function that configures the log, for the output that the test captures."""
    settings = LogSettings.model_construct(level="DEBUG", json_lines=request.param)
    return lambda: logging.configure(settings, Environment.PRODUCTION)


@asynccontextmanager
async def failing(database: Database, statement: str) -> AsyncIterator[None]:
    """Run the statement on tables of its own."""
    async with database.transaction() as session:
        await session.execute(text("CREATE TEMP TABLE pair (mail text PRIMARY KEY, other text) ON COMMIT DROP"))
        await session.execute(text("ALTER TABLE pair ADD CONSTRAINT ck_pair CHECK (mail NOT LIKE 'short%')"))
        await session.execute(text(CONTEXT))
        await session.execute(text(statement))
        yield


def log_everywhere(error: Exception) -> None:
    """Log the error in all the ways in which code and libraries do it."""
    log, theirs = structlog.get_logger(), stdlib.getLogger("library")
    log.warning("field", reason=error)
    theirs.warning("argument %s", error)
    theirs.warning("argument %r", error)
    error.add_note(str(error))
    for shown in (error, chained(error), ExceptionGroup("several", [ValueError("x"), error, chained(error)])):
        log.error("ours", exc_info=shown)
        theirs.error("theirs %s", "x", exc_info=shown)
        theirs.error("%s", f"Task exception was never retrieved\nfuture: {shown!r}", exc_info=shown)


def chained(error: Exception) -> Exception:
    try:
        try:
            raise error
        except type(error) as caught:
            message = f"not saved: {caught}"
            raise RuntimeError(message) from caught
    except RuntimeError:
        try:
            raise LookupError
        except LookupError as last:
            return last


@pytest.mark.parametrize("kind", KINDS)
async def test_no_row_is_logged(
    database: Database, capfd: pytest.CaptureFixture[str], start: Callable[[], None], kind: str
) -> None:
    start()
    statement, name = KINDS[kind]
    with pytest.raises(DBAPIError) as raised:
        async with failing(database, statement):
            pass
    # the statement itself is shown, and here it has the row
    raised.value.statement = "INSERT ..."
    log_everywhere(raised.value)
    if isinstance(raised.value, IntegrityError):
        await _on_database_error(Request({"type": "http"}), raised.value)
    printed = "".join(capfd.readouterr()).replace('\\"', '"')
    assert ROW not in printed
    assert printed.count(name) >= 20
    assert "record_not_logged" not in printed
    assert "test_rows_in_logs.py" in printed


async def test_no_parameter_is_logged(
    database: Database, capfd: pytest.CaptureFixture[str], start: Callable[[], None]
) -> None:
    start()
    for statement, value in (("SELECT CAST(:value AS integer)", ROW), ("SELECT CAST(:value AS date)", ROW)):
        with pytest.raises(Exception) as raised:  # noqa: PT011 (the drivers differ: each class is right)
            async with database.transaction() as session:
                await session.execute(text(statement), {"value": value})
        log_everywhere(raised.value)
    printed = "".join(capfd.readouterr())
    assert ROW not in printed
    assert "SELECT CAST(" in printed


async def test_later_error_of_a_session_repeats_no_row(database: Database, capfd: pytest.CaptureFixture[str]) -> None:
    logging.configure(LogSettings.model_construct(), Environment.PRODUCTION)
    with pytest.raises(InvalidRequestError) as raised:
        async with database.transaction() as session:
            for _ in range(2):
                session.add(User(email=ROW, password_hash="x"))
                with suppress(IntegrityError):
                    await session.flush()
            await session.execute(text("SELECT 1"))
    log_everywhere(raised.value)
    printed = "".join(capfd.readouterr())
    assert ROW not in printed
    assert "The transaction was rolled back due to an exception" in printed


@pytest.mark.parametrize("json_lines", ["true", "false"])
async def test_command_that_fails_shows_no_row(tmp_path: Path, migrated_url: str, json_lines: str) -> None:
    await execute(
        migrated_url,
        "DELETE FROM alembic_version",
        "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS "
        f"$$BEGIN RAISE EXCEPTION 'no' USING DETAIL = E'Key\\n{ROW}'; END$$",
        "CREATE EVENT TRIGGER refusing ON ddl_command_start EXECUTE FUNCTION refuse()",
    )
    status, printed, errors = run_command(
        tmp_path, migrated_url, "migrate", LOG_JSON=json_lines, LOG_LEVEL="DEBUG", DB_ECHO="true"
    )
    assert status == 1
    assert ROW not in printed + errors
    assert "P0001" in errors
    assert "migrating.py" in errors
