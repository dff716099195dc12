"""A create in a transaction of its own: all of it or nothing, whatever happens meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Insert, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from structlog.testing import capture_logs

from app.platform.db import errors, inserting
from app.platform.db.creating import create_alone
from app.platform.db.rows import Cursors, Rows, Values
from app.platform.db.session import Database
from app.platform.db.shared import shared_transaction
from app.platform.errors import OutcomeUnknown
from tests.platform.support.library import Base, Book, Kind, Shelf, ShelfLabel
from tests.platform.support.library import library as filled
from tests.platform.support.silent_proxy import SilentProxy
from tests.platform.support.walls import BookTitle, Box, BoxRead, BoxWithMoods, ShelfWithTitles, Sticker, Wall, WallRead
from tests.support.databases import execute, settings_for
from tests.support.sql import RoundTrips

SHELF = {"label": "D", "kind": Kind.LARGE, "about": {"rows": [3]}}

FUNCTION = "CREATE FUNCTION acts() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {} RETURN NULL; END$$"
AT_COMMIT = (
    "CREATE CONSTRAINT TRIGGER acts AFTER INSERT ON shelves DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION acts()"
)
AT_ONCE = "CREATE TRIGGER acts AFTER INSERT ON shelves FOR EACH ROW EXECUTE FUNCTION acts()"
REFUSES = "RAISE EXCEPTION USING ERRCODE = 'check_violation';"
DIES = "PERFORM pg_terminate_backend(pg_backend_pid());"


@pytest.fixture
async def library(empty_url: str) -> AsyncIterator[Database]:
    async with filled(empty_url, pool_size=1, max_overflow=0) as database:
        async with database.engine.begin() as connection:
            await connection.execute(
                text("ALTER TABLE books ALTER price SET DEFAULT 1, ALTER published SET DEFAULT now()")
            )
        yield database


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> list[Insert]:
    """Return a list of the statements that insert everything."""
    used: list[Insert] = []

    class Counted(Cursors):
        def _run(self, statement: Any, values: Values) -> Rows:
            used.append(statement)
            return super()._run(statement, values)

    monkeypatch.setattr(inserting, "Cursors", Counted)
    return used


async def count(database: Database, model: type[Base]) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


async def test_rows_are_stored_and_come_back(library: Database, alone: list[Insert]) -> None:
    books = [{"title": "Worms"}, {"title": "Bees"}]
    created = await create_alone(library, Shelf, ShelfWithTitles, SHELF, books=books)
    assert (created.label, created.about) == ("D", {"rows": [3]})
    assert [book.title for book in created.books] == ["Worms", "Bees"]
    assert (await create_alone(library, Shelf, ShelfWithTitles, SHELF)).books == []
    assert (await count(library, Shelf), await count(library, Book)) == (5, 5)
    assert len(alone) == 2


async def test_failure_in_the_second_statement_leaves_nothing(library: Database, alone: list[Insert]) -> None:
    with pytest.raises(DBAPIError) as failed:
        await create_alone(library, Shelf, ShelfWithTitles, SHELF, books=[{"title": "x" * 81}])
    meaning = errors.meaning(failed.value)
    assert meaning
    assert meaning.cause == "value_refused"
    # on the same connection, the only one
    assert await count(library, Shelf) == 3
    assert len(alone) == 1


async def test_failure_at_the_commit_leaves_nothing(library: Database, alone: list[Insert], empty_url: str) -> None:
    await execute(empty_url, FUNCTION.format(REFUSES), AT_COMMIT)
    with pytest.raises(IntegrityError):
        await create_alone(library, Shelf, ShelfLabel, SHELF)
    assert await count(library, Shelf) == 3
    assert len(alone) == 1


@pytest.mark.parametrize("trigger", [AT_ONCE, AT_COMMIT])
async def test_server_that_says_why_it_ends_the_connection_has_saved_nothing(
    library: Database, alone: list[Insert], empty_url: str, trigger: str
) -> None:
    await execute(empty_url, FUNCTION.format(DIES), trigger)
    with pytest.raises(DBAPIError) as failed:
        await create_alone(library, Shelf, ShelfLabel, SHELF)
    meaning = errors.meaning(failed.value)
    assert meaning
    assert meaning.repeatable
    assert await count(library, Shelf) == 3
    assert len(alone) == 1


@pytest.mark.usefixtures("library")
async def test_connection_that_is_lost_without_a_word(alone: list[Insert], empty_url: str) -> None:
    await execute(empty_url, FUNCTION.format("PERFORM pg_sleep(2);"), AT_ONCE)
    async with SilentProxy(empty_url).running() as proxy:
        database = Database(settings_for(proxy.url))
        await database.init()
        task = asyncio.create_task(create_alone(database, Shelf, ShelfLabel, SHELF))
        await asyncio.sleep(0.5)
        proxy.cut()
        with capture_logs() as logs, pytest.raises(OutcomeUnknown):
            await task
        await database.close()
    assert "outcome_unknown" in [log["event"] for log in logs]
    assert len(alone) == 1


async def test_connection_that_was_lost_before_may_be_tried_again(
    library: Database, alone: list[Insert], empty_url: str
) -> None:
    await count(library, Shelf)
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    await execute(empty_url, f"{kill} AND pid <> pg_backend_pid()")
    with pytest.raises(DBAPIError) as failed:
        await create_alone(library, Shelf, ShelfLabel, SHELF)
    meaning = errors.meaning(failed.value)
    assert meaning
    assert meaning.repeatable
    await create_alone(library, Shelf, ShelfLabel, SHELF)
    assert await count(library, Shelf) == 4
    assert len(alone) == 2


@pytest.mark.parametrize("when", ["statement", "commit"])
async def test_cancelled_create_leaves_nothing(
    library: Database, alone: list[Insert], empty_url: str, when: str
) -> None:
    trigger = AT_COMMIT if when == "commit" else AT_ONCE
    await execute(empty_url, FUNCTION.format("PERFORM pg_sleep(2);"), trigger)
    task = asyncio.create_task(create_alone(library, Shelf, ShelfLabel, SHELF))
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # the server rolls back when it sees that nobody listens, or does what it was asked for at the end
    await execute(empty_url, "DROP TRIGGER acts ON shelves")
    assert await count(library, Shelf) in ({3} if when == "statement" else {3, 4})
    assert len(alone) == 1


async def test_inside_a_shared_transaction_it_joins(library: Database, alone: list[Insert]) -> None:
    with pytest.raises(ZeroDivisionError):
        async with shared_transaction(library) as steps:
            created = await create_alone(steps, Shelf, ShelfLabel, SHELF)
            assert created.label == "D"
            raise ZeroDivisionError
    assert await count(library, Shelf) == 3
    assert alone == []


async def test_key_that_the_server_makes_takes_several_statements(library: Database, alone: list[Insert]) -> None:
    created = await create_alone(library, Wall, WallRead, {"colour": "red"}, posters=[{"title": "Play"}])
    assert created == WallRead(id=1, posters=[BookTitle(title="Play")])
    assert alone == []
    # nothing refers to it
    assert (await create_alone(library, Wall, WallRead, {"colour": "blue"})).id == 2
    assert len(alone) == 1


@pytest.mark.parametrize(("number", "statements"), [(1, 1), (16, 1), (17, 0)])
async def test_related_rows_of_any_types(library: Database, alone: list[Insert], number: int, statements: int) -> None:
    stickers = [{"title": f"{n:02}", "kind": Kind.SMALL, "place": {"x": n}, "price": Decimal(n)} for n in range(number)]
    created = await create_alone(library, Box, BoxRead, {}, stickers=stickers)
    assert [each.title for each in created.stickers] == [each["title"] for each in stickers]
    async with library.read() as session:
        stored = (await session.scalars(select(Sticker).order_by(Sticker.title))).all()
    shown = [{"title": each.title, "kind": each.kind, "place": each.place, "price": each.price} for each in stored]
    assert shown == stickers
    assert all(each.box_id == created.id for each in stored)
    assert len(alone) == statements


@pytest.mark.usefixtures("library")
async def test_round_trips(empty_url: str) -> None:
    """One, with related rows as well."""
    async with RoundTrips(empty_url).running() as proxy:
        database = Database(settings_for(proxy.url))
        await database.init()

        async def place(**related: Any) -> int:
            before = proxy.count
            await create_alone(database, Shelf, ShelfWithTitles, SHELF, **related)
            return proxy.count - before

        books = [{"title": "Bees"}, {"title": "Ants"}]
        for _ in range(6):
            await place()
            await place(books=books)
        assert (await place(), await place(books=books)) == (1, 1)
        await database.close()


async def test_related_enum_may_be_given_by_name(library: Database) -> None:
    sticker = {"title": "S", "kind": Kind.SMALL, "place": {}, "price": Decimal(1), "mood": "LARGE"}
    created = await create_alone(library, Box, BoxWithMoods, {}, stickers=[sticker])
    assert created.stickers[0].mood is Kind.LARGE
