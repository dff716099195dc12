"""`copy_rows`: COPY in the session's transaction, on both drivers."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.context import Actor, actor
from app.platform.db.bulk import copy_rows
from app.platform.db.session import Database
from tests.platform.db.test_columns import Thing, values
from tests.platform.support.notes import COLUMNS, Note, count, create, note


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


async def test_other_tasks_run_after_256_rows_at_most(session: AsyncSession) -> None:
    ticks = 0
    rows_of_tick: Counter[int] = Counter()

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(3200):
            rows_of_tick[ticks] += 1
            yield note(str(number))

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(tick())
        await copy_rows(session, Note, rows())
        ticking.cancel()
    assert max(rows_of_tick.values()) <= 256


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
