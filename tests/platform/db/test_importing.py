"""Lines of JSON become rows of any model: all of them, or none."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from app.platform.concurrency import ahead
from app.platform.db.bulk import copy_rows
from app.platform.db.session import Database
from app.platform.errors import AppError
from app.platform.http import ndjson
from app.platform.schemas import Integer, RequestModel, Text
from tests.platform.support.notes import Note, count, create

LINE = b'{"label": "%d", "numbers": [1, 2.0], "at": "2030-01-31T12:00:00+01:00"}\n'


class NoteCreate(RequestModel):
    label: Text
    numbers: list[Integer] | None = None
    at: datetime | None = None


class Refused(AppError):
    pass


def row(data: NoteCreate) -> dict[str, Any]:
    return {"label": data.label, "numbers": data.numbers, "at": data.at, "rank": len(data.label)}


async def chunks(text: bytes) -> AsyncIterator[bytes]:
    for first in range(0, len(text), 1000):
        yield text[first : first + 1000]


async def import_notes(database: Database, text: bytes) -> int:
    imported = 0
    async with database.transaction() as session:
        batches = ndjson.batches(chunks(text), NoteCreate, Refused, size=100)
        async with aclosing(ahead(batches, row)) as prepared:
            async for batch in prepared:
                imported += await copy_rows(session, Note, batch)
    return imported


async def test_lines_become_rows(database: Database) -> None:
    await create(database)
    assert await import_notes(database, b"".join(LINE % number for number in range(250))) == 250
    async with database.transaction() as session:
        notes = (await session.scalars(select(Note))).all()
    assert {each.label for each in notes} == {str(number) for number in range(250)}
    assert {(*(each.numbers or ()), each.at) for each in notes} == {(1, 2, datetime(2030, 1, 31, 11, tzinfo=UTC))}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b'{"label": "x", "at": "2030-01-31T12:00:00"}\n', "Line 231: at: "),
        (b'{"label": "x"}, {"label": "y"}\n', "Line 231: document: "),
        (b'{"label": "x"\n', "Line 231: document: "),
    ],
)
async def test_bad_line_is_named_and_nothing_is_stored(database: Database, bad: bytes, message: str) -> None:
    await create(database)
    good = [LINE % number for number in range(300)]
    with pytest.raises(Refused, match=message):
        await import_notes(database, b"".join([*good[:230], bad, *good[230:]]))
    async with database.transaction() as session:
        assert await count(session) == 0
