"""Each row of the table of errors, said by a real server: answer, fate of the connection, counter, log."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from structlog.testing import capture_logs

from app.platform import metrics
from app.platform.db.errors import BY_CLASS, BY_SQLSTATE
from app.platform.db.session import Database
from app.platform.http.lifespan import State
from tests.platform.support.provoked import (
    ASYNCPG,
    RAISE,
    Provoke,
    cannot_be_put_in_sequence,
    changes_what_another_changed,
    commits_what_cannot_be_committed,
    does_not_wait_for_a_row,
    has_another_prepared_statement,
    idles_before_its_commit,
    idles_between_units_of_work,
    idles_in_a_transaction,
    is_cut_off,
    is_killed_before_a_flush,
    is_killed_between_statements,
    is_killed_in_a_statement,
    is_killed_in_a_stream,
    loses_a_deadlock,
    loses_everything,
    loses_prepared_statements,
    meets_a_migration,
    needs_more_disk_than_it_may_have,
    runs,
    times_out_in_a_stream,
    waits_for_a_row,
)
from tests.platform.support.trouble import TABLES, Trouble, growth, opened
from tests.support.client import client_of, problem
from tests.support.databases import execute


@dataclass(frozen=True)
class Row:
    """An error, and what it must lead to: status and code, its cause in the metrics, whether the connection stays."""

    provoke: Provoke
    status: int
    code: str
    cause: str
    stays: bool
    settings: dict[str, Any] = field(default_factory=dict)


VALUE = (422, "value_refused", "value_refused", True)
LOST = (503, "database_unavailable", "connection_lost", False)
CONFLICT = (409, "integrity_conflict", "integrity", True)
FULL = (503, "database_unavailable", "insufficient_resources", True)
PREPARED = (503, "database_unavailable", "prepared_statement_lost", False)
# asyncpg does not keep what the server says while no statement runs
IDLE = (503, "database_unavailable", "connection_lost" if ASYNCPG else "idle_in_transaction", False)
IDLE_SESSION = (503, "database_unavailable", "connection_lost" if ASYNCPG else "idle_session", False)
IDLE_SOON = {"idle_in_transaction_timeout": 0.1}

ROWS = {
    "22001": Row(runs("INSERT INTO things VALUES (20, :v, 0)", v="long"), *VALUE),
    "22003": Row(runs("UPDATE things SET size = 32767 + CAST(:v AS integer)", v=1), *VALUE),
    "22003 of the driver": Row(runs("INSERT INTO things VALUES (:v, 'a', 0)", v=2**70), *VALUE),
    "22008": Row(runs("SELECT CAST(CAST(:v AS text) AS timestamptz)", v="2030-02-31"), *VALUE),
    "22021": Row(runs("INSERT INTO things VALUES (20, :v, 0)", v="\0"), *VALUE),
    "22026": Row(runs("UPDATE things SET bits = CAST(CAST(:v AS text) AS varbit)", v="1"), *VALUE),
    "22P05": Row(runs("UPDATE things SET facts = CAST(:v AS jsonb)", v='"\\u0000"'), *VALUE),
    "54000": Row(runs("UPDATE things SET words = :v", v=secrets.token_hex(9999)), *VALUE),
    "23502": Row(runs("INSERT INTO things VALUES (20, 'a', NULL)"), *CONFLICT),
    "23503": Row(runs("UPDATE things SET parent = 99"), *CONFLICT),
    "23503 in COMMIT": Row(commits_what_cannot_be_committed, *CONFLICT),
    "23505": Row(runs("INSERT INTO things VALUES (1, 'a', 0)"), *CONFLICT),
    "23514": Row(runs("UPDATE things SET label = 'bad'"), *CONFLICT),
    "25P03": Row(idles_in_a_transaction, *IDLE, settings=IDLE_SOON),
    "25P03 before COMMIT": Row(idles_before_its_commit, *IDLE, settings=IDLE_SOON),
    # PostgreSQL 17 and later really say it
    "25P04": Row(runs(RAISE.format("25P04")), 504, "query_timeout", "transaction_timeout", stays=False),
    "26000": Row(loses_prepared_statements, *PREPARED),
    "26000 after DISCARD ALL": Row(loses_everything, *PREPARED),
    "42P05": Row(has_another_prepared_statement, *PREPARED),
    "0A000": Row(meets_a_migration, 503, "database_unavailable", "plan_outdated", stays=False),
    "40001": Row(changes_what_another_changed, 503, "write_conflict", "serialization_failure", stays=True),
    "40001 in COMMIT": Row(cannot_be_put_in_sequence, 503, "write_conflict", "serialization_failure", stays=True),
    "40P01": Row(loses_a_deadlock, 503, "write_conflict", "deadlock", stays=True),
    "55P03": Row(waits_for_a_row, 503, "write_conflict", "lock_timeout", stays=True, settings={"lock_timeout": 0.1}),
    "55P03 of NOWAIT": Row(does_not_wait_for_a_row, 503, "write_conflict", "lock_timeout", stays=True),
    "57014": Row(
        runs("SELECT pg_sleep(9)"), 504, "query_timeout", "statement_timeout", True, {"statement_timeout": 0.3}
    ),
    "57014 in a stream": Row(
        times_out_in_a_stream, 504, "query_timeout", "statement_timeout", True, {"statement_timeout": 0.5}
    ),
    "57P01 between statements": Row(is_killed_between_statements, *LOST),
    "57P01 before a flush": Row(is_killed_before_a_flush, *LOST),
    "57P01 in a statement": Row(is_killed_in_a_statement, *LOST),
    "57P01 in a stream": Row(is_killed_in_a_stream, *LOST),
    "57P05": Row(idles_between_units_of_work, *IDLE_SESSION),
    # the own pool of the unit of work is another one, so the pool that is looked at keeps its connection
    "08 without a word": Row(is_cut_off, 503, "database_unavailable", "connection_lost", stays=True),
    "08006": Row(runs(RAISE.format("08006")), *LOST),
    "08P01 as PgBouncer says": Row(runs(RAISE.format("08P01")), *LOST),
    # a full disk, or no room for locks, would be one for the other tests too; a limit of the same class stands for them
    "53100": Row(runs(RAISE.format("53100")), *FULL),
    "53200": Row(runs(RAISE.format("53200")), *FULL),
    "53400": Row(needs_more_disk_than_it_may_have, *FULL),
    "58030": Row(runs(RAISE.format("58030")), 503, "database_unavailable", "system", stays=False),
}


def test_each_row_of_the_table_is_proved() -> None:
    proved = {name.split()[0] for name in ROWS} | {"25006"}
    assert set(BY_SQLSTATE) <= proved
    assert set(BY_CLASS) <= {each[:2] for each in proved}


@pytest.fixture
async def url(migrated_url: str) -> str:
    await execute(migrated_url, *TABLES)
    return migrated_url


@pytest.fixture
async def trouble(url: str, request: pytest.FixtureRequest) -> AsyncIterator[Trouble]:
    values = ROWS[request.node.callspec.params["name"]].settings
    async with opened(url, pool_size=1, max_overflow=0, **values) as database:
        yield Trouble(database, url)


async def process_of(database: Database) -> int | None:
    """Return the server process of the pool's only connection."""
    async with database.read() as session:
        pid: int | None = await session.scalar(text("SELECT pg_backend_pid()"))
        return pid


@pytest.mark.parametrize("name", ROWS)
async def test_row(name: str, trouble: Trouble, app: FastAPI, state: State) -> None:
    row = ROWS[name]

    @app.post("/provoke")
    async def provoke() -> None:
        await row.provoke(trouble)

    before = await process_of(trouble.database)
    async with client_of(app, state) as client:
        with growth(metrics.DB_ERRORS) as grown, capture_logs() as logs:
            answer = await client.post("/provoke")
    problem(answer, row.status, row.code)
    assert grown == {row.cause: 1}
    assert [each["event"] for each in logs if each.get("reason")] == ["database_error"]
    assert (await process_of(trouble.database) == before) is row.stays
