"""Each row of the table of errors, said by a real server: answer, fate of the connection, counter, log."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import MetaData, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column
from structlog.testing import capture_logs

from app.platform import metrics
from app.platform.db import driver
from app.platform.db.base import Base
from app.platform.db.errors import BY_CLASS, BY_SQLSTATE
from app.platform.db.session import Database
from app.platform.http.lifespan import State
from tests.platform.support.silent_proxy import SilentProxy
from tests.platform.support.trouble import TABLES, Trouble, deadlock, grow, growth, opened
from tests.support.client import client_of, problem
from tests.support.databases import execute

ASYNCPG = driver.DRIVERNAME == "postgresql+asyncpg"

Provoke = Callable[[Trouble], Awaitable[object]]

# what no server can be made to say in a test, or not this version: PL/pgSQL raises it
RAISE = "DO $$BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{}'; END$$"


@dataclass(frozen=True)
class Row:
    """An error, and what it must lead to: status and code, its cause in the metrics, whether the connection stays."""

    provoke: Provoke
    status: int
    code: str
    cause: str
    stays: bool
    settings: dict[str, Any] = field(default_factory=dict)


def runs(statement: str, **values: object) -> Provoke:
    async def provoke(trouble: Trouble) -> None:
        await trouble.run(statement, **values)

    return provoke


async def idles_in_a_transaction(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        await session.execute(text("SELECT 1"))
        await asyncio.sleep(0.5)
        await session.execute(text("SELECT 1"))


async def idles_before_its_commit(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        await grow(session, 1)
        await asyncio.sleep(0.5)


async def idles_between_units_of_work(trouble: Trouble) -> None:
    async with trouble.database.read() as session:
        await session.execute(text("SET idle_session_timeout = '100ms'"))
    await asyncio.sleep(0.5)
    await trouble.run("SELECT 1")


async def prepared(trouble: Trouble) -> None:
    """Run a statement as often as a driver needs to prepare it."""
    for _ in range(8):
        await trouble.run("SELECT * FROM things")


async def loses_prepared_statements(trouble: Trouble) -> None:
    await prepared(trouble)
    # psycopg would notice a plain DEALLOCATE
    await trouble.run("DO $$BEGIN EXECUTE 'DEALLOCATE ALL'; END$$")
    await trouble.run("SELECT * FROM things")


async def loses_everything(trouble: Trouble) -> None:
    await prepared(trouble)
    async with trouble.database.read() as session:
        connection = await session.connection()
        native: Any = (await connection.get_raw_connection()).driver_connection
        if ASYNCPG:
            await native.execute("DISCARD ALL")
        else:
            # in a way that psycopg does not notice
            native.pgconn.exec_(b"DISCARD ALL")
    await trouble.run("SELECT * FROM things")


async def has_another_prepared_statement(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        await session.execute(text("SELECT 1"))
        native: Any = (await (await session.connection()).get_raw_connection()).driver_connection
        if ASYNCPG:
            # the names are numbered
            name = native._get_unique_id("stmt")  # noqa: SLF001 (there is no other way to know)
            number = int(name.split("_")[-3], 16)
            taken = [f"__asyncpg_stmt_{each:x}__" for each in range(number, number + 9)]
        else:
            taken = [f"_pg3_{each}" for each in range(99)]
        prepare = " ".join(f"EXECUTE 'PREPARE {name} AS SELECT 1';" for name in taken)
        await session.execute(text(f"DO $$BEGIN {prepare} END$$"))
        for _ in range(8):
            await session.execute(text("SELECT 2"))


async def meets_a_migration(trouble: Trouble) -> None:
    await prepared(trouble)
    await trouble.others_run("ALTER TABLE things ADD COLUMN added integer")
    await trouble.run("SELECT * FROM things")


async def changes_what_another_changed(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        await session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
        await session.execute(text("SELECT * FROM things"))
        await trouble.others_run("UPDATE things SET size = 7 WHERE id = 1")
        await grow(session, 1)


async def cannot_be_put_in_sequence(trouble: Trouble) -> None:
    """Fail in COMMIT: both transactions read what the other one changes."""
    serializable = {"isolation_level": "SERIALIZABLE"}
    async with trouble.database.transaction() as session:
        await session.connection(execution_options=serializable)
        await session.execute(text("SELECT sum(size) FROM things"))
        async with opened(trouble.url) as others, others.transaction() as other:
            await other.connection(execution_options=serializable)
            await other.execute(text("SELECT sum(size) FROM things"))
            await grow(other, 2)
            await grow(session, 1)


async def loses_a_deadlock(trouble: Trouble) -> None:
    async def work(meet: Callable[[], Awaitable[None]]) -> None:
        async with trouble.database.transaction() as session:
            await session.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
            await grow(session, 1)
            await meet()
            await grow(session, 2)

    await deadlock(trouble.url, work)


async def waits_for_a_row(trouble: Trouble) -> None:
    async with opened(trouble.url) as others, others.transaction() as other:
        await grow(other, 1)
        await trouble.run("UPDATE things SET size = 1 WHERE id = 1")


async def does_not_wait_for_a_row(trouble: Trouble) -> None:
    async with opened(trouble.url) as others, others.transaction() as other:
        await grow(other, 1)
        await trouble.run("SELECT * FROM things WHERE id = 1 FOR UPDATE NOWAIT")


async def is_killed_between_statements(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        await grow(session, 1)
        await trouble.kill(session)
        await grow(session, 2)


class Thing(Base):
    """The table of `TABLES`; the metadata of its own keeps migrations away."""

    metadata = MetaData()
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]


async def is_killed_before_a_flush(trouble: Trouble) -> None:
    """Lose the connection in a statement of the commit that comes before COMMIT itself."""
    async with trouble.database.transaction() as session:
        await trouble.kill(session)
        session.add(Thing(id=77, size=1))


async def is_killed_in_a_statement(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        pid = await session.scalar(text("SELECT pg_backend_pid()"))
        running = asyncio.create_task(session.execute(text("SELECT pg_sleep(20)")))
        await asyncio.sleep(0.1)
        await trouble.kill_process(pid)
        await running


async def is_killed_in_a_stream(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        rows = await session.stream(
            text("SELECT pg_backend_pid(), repeat('x', 9999) FROM generate_series(1, 9999)"),
            execution_options={"yield_per": 10},
        )
        first = await rows.fetchone()
        assert first
        await trouble.kill_process(first[0])
        try:
            async for _ in rows:
                pass
        finally:
            # psycopg warns of a cursor that was not closed
            with suppress(SQLAlchemyError):
                await rows.close()


async def times_out_in_a_stream(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        rows = await session.stream(
            text("SELECT id, pg_sleep(0.02) FROM generate_series(1, 999) AS id"), execution_options={"yield_per": 100}
        )
        async for _ in rows:
            await asyncio.sleep(0)


async def is_cut_off(trouble: Trouble) -> None:
    """Lose the connection without a word of the server."""
    async with (
        SilentProxy(trouble.url).running() as proxy,
        opened(proxy.url) as database,
        database.transaction() as session,
    ):
        await session.execute(text("SELECT 1"))
        proxy.cut()
        await session.execute(text("SELECT 2"))


async def commits_what_cannot_be_committed(trouble: Trouble) -> None:
    await trouble.others_run("ALTER TABLE things ALTER CONSTRAINT things_parent_fkey DEFERRABLE INITIALLY DEFERRED")
    await trouble.run("UPDATE things SET parent = 99")


async def needs_more_disk_than_it_may_have(trouble: Trouble) -> None:
    async with trouble.database.transaction() as session:
        await session.execute(text("SET LOCAL temp_file_limit = 1"))
        await session.execute(text("SET LOCAL work_mem = 64"))
        await session.execute(text("SELECT g FROM generate_series(1, 99999) AS g ORDER BY random()"))


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
