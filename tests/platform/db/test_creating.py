"""Inserts over columns: what is stored, what comes back, what is refused."""

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped

from app.platform.context import Actor, actor
from app.platform.db.creating import create
from app.platform.db.mixins import Audit, UuidKey
from app.platform.db.reading import ReadQuery
from app.platform.db.selection import Selection
from app.platform.db.session import Database
from app.platform.db.shapes import shape_of
from tests.platform.support.library import (
    Base,
    Book,
    BookOnShelf,
    Kind,
    ReadModel,
    Shelf,
    ShelfLabel,
    ShelfRead,
    ShelfWithAll,
)
from tests.platform.support.library import library as filled
from tests.support.databases import settings_for
from tests.support.sql import RoundTrips, recorded_statements

SHELF = {"label": "D", "kind": Kind.LARGE, "about": {"rows": [3]}}
BOOKS: list[dict[str, Any]] = [
    {"title": "Worms", "price": Decimal("1.999"), "published": date(2001, 2, 3)},
    {"title": "Bees", "price": Decimal("0.5"), "published": date(2002, 3, 4)},
]


class Note(UuidKey, Audit, Base):
    __tablename__ = "notes"

    text: Mapped[str]


class Drawing(Note):
    __tablename__ = None  # type: ignore[assignment]
    __mapper_args__ = {"polymorphic_identity": "drawing"}  # noqa: RUF012 (as SQLAlchemy documents it)


class NoteRead(ReadModel):
    text: str
    created_by: UUID | None


class BookTitle(ReadModel):
    title: str


class ShelfWithTitles(ReadModel):
    id: UUID
    books: list[BookTitle]


@pytest.fixture
async def library(empty_url: str) -> AsyncIterator[Database]:
    async with filled(empty_url) as database:
        yield database


async def stored(database: Database, read_model: type[BaseModel], key: UUID) -> Any:
    return await ReadQuery(database.read, Selection(shape_of(Shelf, read_model))).filter(id=key).one()


async def test_row_comes_back_as_it_is_stored(library: Database) -> None:
    async with library.transaction() as session:
        created = await create(session, Shelf, ShelfRead, SHELF, books=BOOKS)
    assert created.label == "D"
    # as the server rounds them, in the sequence they were given
    assert [(book.title, book.price) for book in created.books] == [
        ("Worms", Decimal("2.00")),
        ("Bees", Decimal("0.50")),
    ]
    found = await stored(library, ShelfRead, created.id)
    assert found.model_copy(update={"books": found.books[::-1]}) == created


async def test_rows_without_values_of_the_server_take_a_statement_a_table(library: Database) -> None:
    with recorded_statements(library.engine.sync_engine) as statements:
        async with library.transaction() as session:
            created = await create(session, Shelf, ShelfWithTitles, SHELF, books=BOOKS)
    assert [book.title for book in created.books] == ["Worms", "Bees"]
    assert [statement.split()[:3] for statement in statements] == [
        ["INSERT", "INTO", "shelves"],
        ["INSERT", "INTO", "books"],
    ]
    assert len((await stored(library, ShelfWithTitles, created.id)).books) == 2


async def test_related_rows_that_are_not_given(library: Database) -> None:
    async with library.transaction() as session:
        created = await create(session, Shelf, ShelfWithAll, SHELF)
        on_it = await create(session, Book, BookOnShelf, {**BOOKS[0], "shelf_id": created.id})
        alone = await create(session, Book, BookOnShelf, BOOKS[1])
    assert (created.books, created.tags) == ([], [])
    assert on_it.shelf == ShelfLabel(id=created.id, label="D")
    assert alone.shelf is None


async def test_what_was_added_before_is_stored_before(library: Database) -> None:
    key = uuid4()
    async with library.transaction() as session:
        session.add(Shelf(id=key, label="E", kind=Kind.SMALL))
        created = await create(session, Book, BookOnShelf, {**BOOKS[0], "shelf_id": key})
    assert created.shelf
    assert created.shelf.label == "E"


async def test_defaults_and_audit_columns_apply(library: Database) -> None:
    caller = Actor(uuid4())
    token = actor.set(caller)
    async with library.transaction() as session:
        created = await create(session, Note, NoteRead, {"text": "hello"})
    actor.reset(token)
    assert created == NoteRead(text="hello", created_by=caller.user_id)


async def test_failure_leaves_nothing(library: Database) -> None:
    key = uuid4()
    with pytest.raises(IntegrityError):
        async with library.transaction() as session:
            await create(session, Shelf, ShelfLabel, {**SHELF, "id": key})
            await create(session, Book, BookTitle, {**BOOKS[0], "shelf_id": uuid4()})
    query: ReadQuery[Any] = ReadQuery(library.read, Selection(shape_of(Shelf, ShelfLabel)))
    assert await query.filter(id=key).one_or_none() is None


async def test_session_that_reads_refuses(library: Database) -> None:
    async with library.read() as session:
        with pytest.raises(RuntimeError, match="only reads"):
            await create(session, Shelf, ShelfLabel, SHELF)


@pytest.mark.parametrize(
    ("row", "related", "error", "message"),
    [
        ({**SHELF, "size": 3}, {}, ValueError, "Shelf has no column size"),
        (SHELF, {"books": [{**BOOKS[0], "pages": 3}]}, ValueError, "Book has no column pages"),
        (SHELF, {"books": [BOOKS[0], {"title": "Ants"}]}, ValueError, "books: all rows must name the same"),
        (SHELF, {"tags": [{"name": "x"}]}, TypeError, "no list of related rows tags"),
        (SHELF, {"boxes": []}, TypeError, "no list of related rows boxes"),
    ],
)
async def test_rows_that_do_not_fit_are_refused(
    library: Database, row: dict[str, Any], related: dict[str, Any], error: type[Exception], message: str
) -> None:
    async with library.transaction() as session:
        with pytest.raises(error, match=message):
            await create(session, Shelf, ShelfWithAll, row, **related)


async def test_model_that_inherits_is_refused(library: Database) -> None:
    async with library.transaction() as session:
        with pytest.raises(TypeError, match="Drawing inherits: add an instance"):
            await create(session, Drawing, NoteRead, {"text": "hello"})


@pytest.mark.usefixtures("library")
async def test_round_trips(empty_url: str) -> None:
    """BEGIN, the statements, COMMIT."""
    async with RoundTrips(empty_url).running() as proxy:
        database = Database(settings_for(proxy.url))
        await database.init()

        async def place(**related: Any) -> int:
            before = proxy.count
            async with database.transaction() as session:
                await create(session, Shelf, ShelfWithTitles, SHELF, **related)
            return proxy.count - before

        for _ in range(6):
            await place(books=BOOKS)
            await place()
        assert await place() == 3
        assert await place(books=BOOKS) == 4
        await database.close()
