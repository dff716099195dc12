"""`copy_rows`: COPY in the session's transaction, on both drivers."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import BigInteger, MetaData, SmallInteger, String, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.platform.context import Actor, actor
from app.platform.db.base import NAMING_CONVENTION, Base
from app.platform.db.bulk import copy_rows
from app.platform.db.errors import translate, violates
from app.platform.db.mixins import Audit, SoftDelete, Timestamps, UuidKey
from app.platform.db.session import Database
from app.platform.errors import QueryTimeout, ValueRefused
from tests.platform.db.test_columns import Own as Columns
from tests.platform.db.test_columns import Thing, values
from tests.support.databases import settings_for


class Own(Base):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Note(UuidKey, Timestamps, SoftDelete, Audit, Own):
    __tablename__ = "copied notes"

    label: Mapped[str] = mapped_column("The label", String(10), unique=True)
    size: Mapped[int] = mapped_column(default=7)
    small: Mapped[int | None] = mapped_column(SmallInteger)
    large: Mapped[int | None] = mapped_column(BigInteger)
    numbers: Mapped[list[int] | None]
    at: Mapped[datetime | None]
    rank: Mapped[int | None] = mapped_column(default=func.random())


class Sub(Note):
    """Inherits from a model."""


COLUMNS = ("label", "rank")
END_COPIES = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND query LIKE 'COPY %' AND pid <> pg_backend_pid()"
)


async def create(database: Database) -> None:
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.run_sync(Own.metadata.create_all)
        await connection.run_sync(Columns.metadata.create_all)


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    await create(database)
    async with database.transaction() as session:
        yield session


@pytest.fixture
def caller() -> Iterator[UUID]:
    caller = Actor(uuid4())
    token = actor.set(caller)
    yield caller.user_id
    actor.reset(token)


def note(label: object = "a", **more: object) -> dict[str, Any]:
    return {"label": label, "rank": 1, **more}


async def count(session: AsyncSession) -> int:
    return (await session.scalars(select(func.count()).select_from(Note))).one()


async def stream(count: int) -> AsyncIterator[dict[str, Any]]:
    for number in range(count):
        await asyncio.sleep(0)
        yield note(str(number))


async def test_every_kind_of_column_is_stored_as_by_an_insert(session: AsyncSession) -> None:
    given = values()
    assert await copy_rows(session, Thing, [given, given]) == 2
    session.add(Thing(**given))
    await session.flush()
    session.expunge_all()
    things = (await session.scalars(select(Thing))).all()
    found = [{key: getattr(thing, key) for key in given} for thing in things]
    assert found[0] == found[1] == found[2]
    assert {thing.name for thing in things} == {""}
    assert len({thing.id for thing in things}) == 3


async def test_defaults_and_audit_columns_are_filled(session: AsyncSession, caller: UUID) -> None:
    assert await copy_rows(session, Note, [note("a"), note("b")]) == 2
    notes = (await session.scalars(select(Note).order_by(Note.label))).all()
    assert [(each.label, each.size, each.small, each.deleted_at) for each in notes] == [
        ("a", 7, None, None),
        ("b", 7, None, None),
    ]
    assert {(each.created_by, each.updated_by) for each in notes} == {(caller, caller)}
    assert notes[0].created_at == notes[1].updated_at
    assert notes[0].id != notes[1].id


async def test_rows_may_be_tuples_from_an_async_iterable(session: AsyncSession) -> None:
    assert await copy_rows(session, Note, stream(100)) == 100
    assert await copy_rows(session, Note, (("x", n) for n in range(1)), columns=COLUMNS) == 1
    assert await count(session) == 101


async def test_no_rows_send_nothing(session: AsyncSession) -> None:
    assert await copy_rows(session, Note, []) == 0


async def test_what_the_session_added_is_sent_before(session: AsyncSession) -> None:
    session.add(Note(**note("a")))
    with pytest.raises(IntegrityError):
        async with session.begin_nested():
            await copy_rows(session, Note, [note("a")])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([note(colour=1)], "Note has no column 'colour'"),
        ([{"label": "a"}], "the default of Note.rank is SQL, which COPY cannot run"),
        ([note(), note(size=1)], "row 2 of Note: expected exactly these columns: label, rank"),
        ([note(), {"label": "a", "size": 1}], "row 2 of Note: expected exactly these columns: label, rank"),
        ([note(), ("a", 1)], "row 2 of Note: expected exactly these columns: label, rank"),
        ([note(), note(5)], "row 2 of Note: a value has the wrong type for its column"),
        ([note(size=1.5)], "row 1 of Note: the value of 'size' has the wrong type"),
        ([note(size="1")], "row 1 of Note: the value of 'size' has the wrong type"),
        ([note(at=datetime(2030, 1, 1))], "row 1 of Note: the value of 'at' has the wrong type"),  # noqa: DTZ001
    ],
)
async def test_rows_that_do_not_fit_are_named(database: Database, rows: list[dict[str, Any]], message: str) -> None:
    await create(database)
    with pytest.raises(ValueError, match=message):
        async with database.transaction() as session:
            await copy_rows(session, Note, rows)


async def test_rows_without_names_and_models_of_several_tables_are_refused(session: AsyncSession) -> None:
    with pytest.raises(TypeError, match="name their columns with `columns`"):
        await copy_rows(session, Note, [("a", 1)])
    with pytest.raises(ValueError, match="Sub inherits from another model"):
        await copy_rows(session, Sub, [note()])


@pytest.mark.parametrize(
    "more",
    [
        {"size": 2**31},
        {"size": -(2**31) - 1},
        {"small": 70_000},
        {"large": 2**63},
        {"size": 2**100},
        {"numbers": [1, 2**33]},
    ],
)
async def test_numbers_too_large_for_their_column_are_refused(database: Database, more: dict[str, Any]) -> None:
    await create(database)
    (key,) = more
    fits = {key: [1] if key == "numbers" else 1}
    with pytest.raises(ValueRefused, match="Row 2 of Note"):
        async with database.transaction() as session:
            await copy_rows(session, Note, [note("a", **fits), note("b", **more)])


@pytest.mark.parametrize("label", ["longer than ten", "with\0"])
async def test_texts_that_the_server_refuses_are_the_same_error_as_in_an_insert(database: Database, label: str) -> None:
    await create(database)
    with pytest.raises(DBAPIError) as refused:
        async with database.transaction() as session:
            await copy_rows(session, Note, [note(label)])
    assert isinstance(translate(refused.value), ValueRefused)


async def test_violated_constraint_has_its_name(database: Database) -> None:
    await create(database)
    with pytest.raises(IntegrityError) as violated:
        async with database.transaction() as session:
            await copy_rows(session, Note, [note(), note()])
    assert violates(violated.value, "uq_copied notes_The label")
    async with database.transaction() as session:
        assert await copy_rows(session, Note, [note()]) == 1


async def test_missing_table_is_the_error_of_every_statement(database: Database) -> None:
    with pytest.raises(ProgrammingError):
        async with database.transaction() as session:
            await copy_rows(session, Note, [note()])


async def test_failure_in_a_savepoint_leaves_the_transaction_usable(session: AsyncSession) -> None:
    await copy_rows(session, Note, [note("a")])
    with pytest.raises(IntegrityError):
        async with session.begin_nested():
            await copy_rows(session, Note, [note("b"), note("a")])
    await copy_rows(session, Note, [note("c")])
    assert await count(session) == 2


async def test_failed_copy_cannot_be_committed_by_mistake(database: Database) -> None:
    await create(database)

    async def copy_and_go_on() -> None:
        async with database.transaction() as session:
            with suppress(IntegrityError):
                await copy_rows(session, Note, [note(), note()])

    with pytest.raises(Exception, match=r"nothing can be committed|transaction is aborted"):
        await copy_and_go_on()


async def test_error_of_the_rows_comes_out_as_it_was(database: Database) -> None:
    await create(database)

    def broken() -> Iterator[dict[str, Any]]:
        yield note("a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            await copy_rows(session, Note, broken())
    async with database.transaction() as session:
        assert await count(session) == 0


async def test_session_that_only_reads_refuses(database: Database) -> None:
    async with database.read() as session:
        with pytest.raises(RuntimeError, match="only reads"):
            await copy_rows(session, Note, [note()])


async def test_other_tasks_run_meanwhile(session: AsyncSession) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(tick())
        await copy_rows(session, Note, (note(str(number)) for number in range(3200)))
        ticking.cancel()
    assert ticks > 80


@pytest.mark.commits
async def test_copy_takes_part_in_the_transaction(database: Database) -> None:
    await create(database)
    async with database.get_session() as session:
        await copy_rows(session, Note, [note()])
        async with database.read() as other:
            assert await count(other) == 0
        await session.rollback()
        await copy_rows(session, Note, [note()])
        await session.commit()
    async with database.read() as other:
        assert await count(other) == 1


@pytest.mark.commits
async def test_cancelled_copy_stores_nothing_and_frees_its_connection(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url, pool_size=1, max_overflow=0, pool_timeout=5))
    await database.init()
    await create(database)
    waiting = asyncio.Event()

    async def stalled() -> AsyncGenerator[dict[str, Any], None]:
        for number in range(2000):
            yield note(str(number))
        waiting.set()
        await asyncio.Event().wait()

    async def copy() -> None:
        async with database.transaction() as session, aclosing(stalled()) as rows:
            await copy_rows(session, Note, rows)

    copying = asyncio.create_task(copy())
    async with asyncio.timeout(20):
        await waiting.wait()
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying
        async with database.transaction() as session:
            assert await count(session) == 0
            assert await copy_rows(session, Note, [note()]) == 1
    await database.close()


@pytest.mark.commits
async def test_statement_timeout_ends_a_copy(migrated_url: str) -> None:
    database = Database(settings_for(migrated_url, statement_timeout=0.3))
    await database.init()
    await create(database)

    async def slow() -> AsyncIterator[dict[str, Any]]:
        for number in range(100):
            yield note(str(number))
            await asyncio.sleep(0.02)

    with pytest.raises(DBAPIError) as ended:
        async with database.transaction() as session:
            await copy_rows(session, Note, slow())
    assert isinstance(translate(ended.value), QueryTimeout)
    async with database.transaction() as session:
        assert await copy_rows(session, Note, [note()]) == 1
    await database.close()


@pytest.mark.commits
async def test_lost_connection_is_told_and_replaced(database: Database) -> None:
    await create(database)

    async def cut() -> AsyncIterator[dict[str, Any]]:
        for number in range(50):
            yield note(str(number))
        async with database.transaction() as other:
            assert (await other.execute(END_COPIES)).all()
        await asyncio.sleep(0.1)
        for number in range(50, 100):
            yield note(str(number))

    with pytest.raises(DBAPIError) as lost:
        async with database.transaction() as session:
            await copy_rows(session, Note, cut())
    error = translate(lost.value)
    assert error is not None
    assert error.code == "database_unavailable"
    async with database.transaction() as session:
        assert await copy_rows(session, Note, [note()]) == 1
