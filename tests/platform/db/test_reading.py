"""Reads over columns: the read models, the statements, the filters, related rows."""

from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from pydantic import AliasPath, BaseModel, Field
from sqlalchemy import Engine
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db.pagination import Cursor, OffsetRequest, PageRequest
from app.platform.db.reading import ReadQuery
from app.platform.db.selection import Selection
from app.platform.db.session import Database
from app.platform.db.shapes import shape_of
from app.platform.db.sorting import Sorting
from tests.platform.support.library import (
    Book,
    BookOnShelf,
    BookRead,
    Kind,
    ReadModel,
    Shelf,
    ShelfLabel,
    ShelfRead,
    ShelfWithAll,
)
from tests.platform.support.library import library as filled
from tests.support.databases import execute, settings_for
from tests.support.sql import RoundTrips, recorded_statements

Reading = Callable[[type[Any], type[BaseModel]], ReadQuery[Any]]


@pytest.fixture
async def library(empty_url: str) -> AsyncIterator[Database]:
    async with filled(empty_url) as database:
        yield database


@pytest.fixture
def read(library: Database) -> Reading:
    """Return a function that begins a query, as repositories and DAOs do."""
    return lambda model, read_model: ReadQuery(library.read, Selection(shape_of(model, read_model)))


async def test_rows_become_read_models_with_their_types(read: Reading) -> None:
    shelf = await read(Shelf, ShelfRead).filter(label="A").one()
    assert isinstance(shelf, ShelfRead)
    assert (shelf.kind, shelf.about) == (Kind.LARGE, {"rows": [1, 2]})
    assert shelf.books == [
        BookRead(title="Ants", price=Decimal("0.10"), published=date(2024, 2, 29)),
        BookRead(title="Zebras", price=Decimal("10.50"), published=date(1999, 12, 31)),
    ]


async def test_related_rows_come_in_one_more_statement(library: Database, read: Reading) -> None:
    engine: Engine = library.engine.sync_engine
    with recorded_statements(engine) as statements:
        shelves = await read(Shelf, ShelfWithAll).order_by(Shelf.label).all()
    assert len(statements) == 3
    assert [(shelf.label, [tag.name for tag in shelf.tags], len(shelf.books)) for shelf in shelves] == [
        ("A", ["new", "old"], 2),
        ("B", ["old"], 0),
    ]
    with recorded_statements(engine) as statements:
        assert await read(Shelf, ShelfWithAll).filter(label="X").all() == []
    assert len(statements) == 1


async def test_one_row_comes_with_its_related_rows_in_one_statement(library: Database, read: Reading) -> None:
    keys = {label: (await read(Shelf, ShelfLabel).filter(label=label).one()).id for label in ("A", "B")}
    with recorded_statements(library.engine.sync_engine) as statements:
        assert len((await read(Shelf, ShelfRead).filter(id=keys["A"]).one()).books) == 2
        assert (await read(Shelf, ShelfRead).filter(id=keys["B"]).one()).books == []
        assert await read(Shelf, ShelfRead).filter(id=keys["A"], label="B").one_or_none() is None
    assert len(statements) == 3
    # without the key there may be many rows, of which two are enough to refuse
    with recorded_statements(library.engine.sync_engine) as statements:
        assert len((await read(Shelf, ShelfRead).filter(label="A").one()).books) == 2
    assert len(statements) == 2
    with pytest.raises(MultipleResultsFound):
        await read(Shelf, ShelfRead).one_or_none()


async def test_the_other_side_of_a_relationship(read: Reading) -> None:
    books = await read(Book, BookOnShelf).order_by(Book.title).all()
    assert [(book.title, book.shelf and book.shelf.label) for book in books] == [
        ("Ants", "A"),
        ("Lost", None),
        ("Zebras", "A"),
    ]
    assert (await read(Book, BookOnShelf).filter(title="Lost").one()).shelf is None


async def test_deleted_rows_are_not_read_unless_asked_for(read: Reading) -> None:
    assert [shelf.label for shelf in await read(Shelf, ShelfLabel).order_by(Shelf.label).all()] == ["A", "B"]
    assert len(await read(Shelf, ShelfLabel).with_deleted().all()) == 3
    # the statements are told apart
    assert len(await read(Shelf, ShelfLabel).all()) == 2


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"label": "A"}, ["A"]),
        ({"label__ne": "A"}, ["B"]),
        ({"label__in": ["A", "B"]}, ["A", "B"]),
        ({"label__in": []}, []),
        ({"label__not_in": {"A"}}, ["B"]),
        ({"label__gt": "A"}, ["B"]),
        ({"label__like": "%A%"}, ["A"]),
        ({"label__contains": "a"}, []),
        ({"kind": Kind.SMALL}, ["B"]),
        ({"kind": "small", "label__ge": "A"}, ["B"]),
        ({"about": None}, ["B"]),
        ({"about__is_null": False}, ["A"]),
    ],
)
async def test_filters(read: Reading, wanted: dict[str, Any], found: list[str]) -> None:
    query = read(Shelf, ShelfLabel).filter(**wanted)
    for _ in range(2):
        assert sorted(shelf.label for shelf in await query.all()) == found


async def test_values_are_parameters(read: Reading) -> None:
    first = read(Shelf, ShelfLabel).filter(label="A")
    assert [(await read(Shelf, ShelfLabel).filter(label=label).one()).label for label in "AB"] == ["A", "B"]
    assert (await first.one()).label == "A"


@pytest.mark.parametrize("wrong", ["size", "label__around", "books"])
async def test_unknown_filters_are_refused(read: Reading, wrong: str) -> None:
    with pytest.raises(ValueError, match="filter"):
        read(Shelf, ShelfLabel).filter(**{wrong: 1})


async def test_conditions_sorting_limit_and_offset(read: Reading) -> None:
    query = read(Book, BookRead).where(Book.price < 5).order_by(Book.title.desc())
    assert [book.title for book in await query.all()] == ["Lost", "Ants"]
    assert [book.title for book in await query.offset(1).all()] == ["Ants"]
    first = await query.first()
    assert first is not None
    assert first.title == "Lost"
    with pytest.raises(NoResultFound):
        await read(Book, BookRead).filter(title="None").one()


async def test_pages(read: Reading) -> None:
    query = read(Shelf, ShelfRead)
    first = await query.page(PageRequest(limit=1))
    assert first.next_cursor is not None
    second = await query.page(PageRequest(limit=1, after=Cursor.decode(first.next_cursor)))
    assert second.next_cursor is None
    assert sorted(shelf.label for shelf in first.items + second.items) == ["A", "B"]
    with pytest.raises(ValueError, match="of its own"):
        await query.limit(1).page(PageRequest())


@pytest.mark.parametrize("descending", [False, True])
async def test_sorted_pages(read: Reading, descending: bool) -> None:
    sorting = Sorting(Shelf.label, descending=descending)
    after, found = None, []
    for _ in range(2):
        page = await read(Shelf, ShelfLabel).page(PageRequest(1, after, sorting))
        found += [shelf.label for shelf in page.items]
        after = sorting.decode(page.next_cursor) if page.next_cursor else None
    assert found == (["B", "A"] if descending else ["A", "B"])


async def test_offset_pages_count_all_rows(read: Reading) -> None:
    page = await read(Shelf, ShelfRead).filter(label__ne="x").offset_page(OffsetRequest(1, 5))
    assert (len(page.items), page.total) == (1, 2)


@pytest.mark.usefixtures("library")
async def test_a_read_is_one_round_trip(empty_url: str) -> None:
    async with RoundTrips(empty_url).running() as proxy:
        database = Database(settings_for(proxy.url))
        await database.init()
        query: ReadQuery[Any] = ReadQuery(database.read, Selection(shape_of(Shelf, ShelfLabel)))
        for _ in range(6):
            await query.filter(label="A").one()
        before = proxy.count
        await query.filter(label="A").one()
        assert proxy.count == before + 1
        await database.close()


async def test_transaction_sees_its_own_changes(library: Database) -> None:
    async with library.transaction() as session:
        session.add(Shelf(label="new", kind=Kind.SMALL))

        def opened() -> nullcontext[AsyncSession]:
            return nullcontext(session)

        query: ReadQuery[Any] = ReadQuery(opened, Selection(shape_of(Shelf, ShelfLabel)))
        assert len(await query.all()) == 3


async def test_read_is_repeated_when_its_connection_was_lost(empty_url: str, read: Reading) -> None:
    query = read(Shelf, ShelfLabel).filter(label="A")
    await query.one()
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    await execute(empty_url, f"{kill} AND pid <> pg_backend_pid()")
    assert (await query.one()).label == "A"


class Unknown(ReadModel):
    size: int


class Path(ReadModel):
    name: str = Field(validation_alias=AliasPath("label", 0))


class NotNested(ReadModel):
    books: list[str]


@pytest.mark.parametrize(
    ("read_model", "message"),
    [(Unknown, "no column or relationship 'size'"), (Path, "plain names"), (NotNested, "must have one read model")],
)
def test_read_models_that_do_not_fit_are_refused(read_model: type[BaseModel], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        shape_of(Shelf, read_model)


async def test_alias_names_the_column(read: Reading) -> None:
    class Named(ReadModel):
        name: str = Field(validation_alias="label")

    assert [each.name for each in await read(Shelf, Named).filter(label="A").all()] == ["A"]


async def test_nothing_is_found_for_a_random_key(read: Reading) -> None:
    assert await read(Shelf, ShelfRead).filter(id=uuid4()).first() is None
