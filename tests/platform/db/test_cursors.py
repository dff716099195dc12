"""Reads that are built once run on cursors of the driver: with the same errors, log lines and metrics."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Select, func, literal_column, select, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from app.platform.db import errors, one_step, rows
from app.platform.db.one_step import in_one_step
from app.platform.db.reading import ReadQuery
from app.platform.db.rows import Cursors, Run
from app.platform.db.selection import Selection
from app.platform.db.session import Database
from app.platform.db.shapes import shape_of
from app.platform.errors import AppError, QueryTimeout, ValueRefused
from tests.platform.support.library import Book, Shelf, ShelfLabel, ShelfRead
from tests.platform.support.library import library as filled
from tests.support.databases import execute
from tests.support.sql import recorded_statements

KILL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
async def library(empty_url: str) -> AsyncIterator[Database]:
    async with filled(
        empty_url, pool_size=1, max_overflow=0, statement_timeout=0.5, slow_sql_threshold=0.2
    ) as database:
        yield database


@pytest.fixture
def cursors(monkeypatch: pytest.MonkeyPatch) -> list[Cursors]:
    """Return a list of the uses of cursors."""
    used: list[Cursors] = []

    class Counted(Cursors):
        def __enter__(self) -> Run:
            used.append(self)
            return super().__enter__()

    monkeypatch.setattr(one_step, "Cursors", Counted)
    return used


def slow(seconds: float) -> Select[Any]:
    return select(literal_column(f"pg_sleep({seconds})"))


async def read(database: Database, statement: Select[Any], values: dict[str, Any] | None = None) -> rows.Rows:
    async with database.read() as session:
        return await in_one_step(session, lambda run: run(statement, values or {}), prebuilt=True)


async def answer(database: Database, statement: Select[Any], values: dict[str, Any] | None = None) -> AppError | None:
    with pytest.raises(DBAPIError) as failed:
        await read(database, statement, values)
    return errors.translate(failed.value)


async def idle_connections(database: Database) -> int:
    """Return how many connections wait in the pool."""
    return int(database.engine.sync_engine.pool.checkedin())  # type: ignore[attr-defined]


async def test_prebuilt_reads_use_cursors(library: Database, cursors: list[Cursors]) -> None:
    query: ReadQuery[Any] = ReadQuery(library.read, Selection(shape_of(Shelf, ShelfRead)))
    assert (await query.filter(label="A").one()).books
    assert len(await query.all()) == 2
    assert len(cursors) == 2
    # other statements are built anew each time, and looked up by SQLAlchemy
    await query.where(Shelf.label == "A").one()
    await query.filter(label__in=["A"]).one()
    assert len(cursors) == 2


async def test_whoever_listens_to_statements_gets_all(library: Database, cursors: list[Cursors]) -> None:
    with recorded_statements(library.engine.sync_engine) as statements:
        await read(library, select(Shelf.__table__.c.id))
    assert len(statements) == 1
    assert cursors == []


async def test_slow_statement_is_logged_and_counted(library: Database, cursors: list[Cursors]) -> None:
    before = REGISTRY.get_sample_value("db_slow_statements_total") or 0
    with capture_logs() as logs:
        await read(library, slow(0.25))
    (event,) = [log for log in logs if log["event"] == "slow_sql"]
    assert "pg_sleep" in event["statement"]
    assert event["duration_ms"] >= 200
    assert event["backend_pid"]
    assert REGISTRY.get_sample_value("db_slow_statements_total") == before + 1
    assert len(cursors) == 1


async def test_errors_are_those_of_any_statement(library: Database, cursors: list[Cursors]) -> None:
    before = REGISTRY.get_sample_value("db_errors_total", {"cause": "statement_timeout"}) or 0
    assert isinstance(await answer(library, slow(5)), QueryTimeout)
    assert REGISTRY.get_sample_value("db_errors_total", {"cause": "statement_timeout"}) == before + 1
    label = Shelf.__table__.c.its_label
    wrong = await answer(library, select(label).where(label == "a\0b"))
    assert isinstance(wrong, ValueRefused)
    # of a bug nothing is known
    assert await answer(library, select(literal_column("1 / 0"))) is None
    # none of them has cost the connection
    assert await idle_connections(library) == 1
    assert len(cursors) == 3


async def test_lost_connection_is_replaced_and_the_read_repeated(
    library: Database, cursors: list[Cursors], empty_url: str
) -> None:
    await read(library, select(Shelf.__table__.c.id))
    before = REGISTRY.get_sample_value("db_retries_total", {"cause": "connection_lost"}) or 0
    await execute(empty_url, KILL)
    assert len(await read(library, select(Shelf.__table__.c.id))) == 3
    assert REGISTRY.get_sample_value("db_retries_total", {"cause": "connection_lost"}) == before + 1
    assert len(cursors) == 3


async def test_cancelled_read_leaves_no_broken_connection(library: Database, cursors: list[Cursors]) -> None:
    task = asyncio.create_task(read(library, slow(0.4)))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(await read(library, select(Shelf.__table__.c.id))) == 3
    assert len(cursors) == 2


async def test_later_transactions_are_transactions(library: Database, cursors: list[Cursors]) -> None:
    """Also on the connection that was in autocommit mode."""
    await read(library, select(Shelf.__table__.c.id))
    with pytest.raises(ZeroDivisionError):
        async with library.transaction() as session:
            await session.execute(text("DELETE FROM shelf_tags"))
            await session.execute(text("DELETE FROM books"))
            raise ZeroDivisionError
    (row,) = await read(library, select(func.count()).select_from(Book))
    assert row[0] == 3
    assert len(cursors) == 2


async def test_schema_that_changes_meanwhile(library: Database, cursors: list[Cursors], empty_url: str) -> None:
    """A plan that the server remembers is out of date after a migration."""
    query: ReadQuery[Any] = ReadQuery(library.read, Selection(shape_of(Shelf, ShelfLabel)))
    for _ in range(7):
        await query.filter(label="A").one()
    await execute(empty_url, "ALTER TABLE shelves ALTER COLUMN its_label TYPE text")
    assert (await query.filter(label="A").one()).label == "A"
    assert len(cursors) >= 8
