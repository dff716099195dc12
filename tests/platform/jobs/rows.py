"""Rows of jobs: put there, looked at, and waited for."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NoReturn
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select, text

from app.config import Settings
from app.platform.db.session import Database
from app.platform.jobs.models import DeadJob, JobState, OutboxMessage
from tests.support.databases import execute
from tests.support.outbox import outbox
from tests.support.server import PATIENCE

SOON = timedelta(hours=1)


async def put(
    database: Database,
    job: str = "sample",
    state: JobState = JobState.WAITING,
    due: timedelta = timedelta(),
    **row: Any,
) -> UUID:
    """A job that is not done; due so long from now."""
    key = uuid4()
    values = {"id": key, "job": job, "state": state, "arguments": {}, "due_at": func.now() + due} | row
    async with database.transaction() as session:
        await session.execute(insert(OutboxMessage).values(values))
    return key


async def bury(database: Database, job: str = "sample", age: timedelta = timedelta(), **row: Any) -> UUID:
    """A job that gave up so long ago."""
    key = uuid4()
    values = {"id": key, "job": job, "arguments": {}, "attempts": 3, "died_at": func.now() - age} | row
    async with database.transaction() as session:
        await session.execute(insert(DeadJob).values(values))
    return key


async def row_of(database: Database, key: UUID) -> OutboxMessage:
    """The one with this key."""
    (row,) = [row for row in await outbox(database) if row.id == key]
    return row


async def graveyard(database: Database) -> Sequence[DeadJob]:
    """The jobs that gave up."""
    async with database.read() as session:
        return (await session.scalars(select(DeadJob).order_by(DeadJob.died_at))).all()


async def waiting_for_locks(database: Database, connections: int = 1) -> None:
    """Wait until so many connections of the database wait for a lock."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(PATIENCE), database.read() as session:
        while (await session.scalar(query) or 0) < connections:
            await session.execute(text("SELECT pg_sleep(0.01)"))


async def cut_connections(settings: Settings, which: str = "true") -> None:
    """Have the server end the connections to the database."""
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    await execute(settings.database.url.get_secret_value(), f"{end} AND pid <> pg_backend_pid() AND {which}")


@asynccontextmanager
async def running(forever: Coroutine[Any, Any, NoReturn]) -> AsyncIterator[None]:
    """What never ends by itself runs inside of the block."""
    task = asyncio.create_task(forever)
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])
