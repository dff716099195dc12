"""A copy that is cancelled, takes too long, or loses its connection stores nothing."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.platform.db.bulk import copy_rows
from app.platform.db.errors import translate
from app.platform.db.session import Database
from app.platform.errors import QueryTimeout
from tests.platform.support.notes import Note, count, create, note
from tests.support.databases import settings_for

END_COPIES = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND query LIKE 'COPY %' AND pid <> pg_backend_pid()"
)


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
        for number in range(300):
            yield note(str(number))
            # the statement begins with the first 256 rows
            if number >= 256:
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
        # the statement begins with the first 256 rows
        for number in range(300):
            yield note(str(number))
        async with database.transaction() as other:
            assert (await other.execute(END_COPIES)).all()
        await asyncio.sleep(0.1)
        for number in range(300, 600):
            yield note(str(number))

    with pytest.raises(DBAPIError) as lost:
        async with database.transaction() as session:
            await copy_rows(session, Note, cut())
    error = translate(lost.value)
    assert error is not None
    assert error.code == "database_unavailable"
    async with database.transaction() as session:
        assert await copy_rows(session, Note, [note()]) == 1
