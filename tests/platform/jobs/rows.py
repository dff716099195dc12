"""Helpers that insert and read rows of jobs, and wait for or cut connections."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NoReturn
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select, text

from app.config import Settings
from app.platform.db.session import Database
from app.platform.jobs.models import DeadLetter, JobState, OutboxMessage
from tests.support.databases import execute
from tests.support.outbox import outbox
from tests.support.server import PATIENCE

SOON = timedelta(hours=1)


async def insert_job(
    database: Database,
    job: str = "sample",
    state: JobState = JobState.WAITING,
    due: timedelta = timedelta(),
    **row: Any,
) -> UUID:
    """Insert an unfinished job that is due after a delay, and return its key."""
    key = uuid4()
    values = {"id": key, "job": job, "state": state, "arguments": {}, "due_at": func.now() + due} | row
    async with database.transaction() as session:
        await session.execute(insert(OutboxMessage).values(values))
    return key


async def insert_dead_letter(database: Database, job: str = "sample", age: timedelta = timedelta(), **row: Any) -> UUID:
    """Insert a dead letter of this age, and return its key."""
    key = uuid4()
    values = {"id": key, "job": job, "arguments": {}, "attempts": 3, "died_at": func.now() - age} | row
    async with database.transaction() as session:
        await session.execute(insert(DeadLetter).values(values))
    return key


async def row_of(database: Database, key: UUID) -> OutboxMessage:
    """Return the row of the unfinished job with this key."""
    (row,) = [row for row in await outbox(database) if row.id == key]
    return row


async def dead_letters(database: Database) -> Sequence[DeadLetter]:
    """Return the dead letters, oldest first."""
    async with database.read() as session:
        return (await session.scalars(select(DeadLetter).order_by(DeadLetter.died_at))).all()


async def waiting_for_locks(database: Database, connections: int = 1) -> None:
    """Wait until this number of connections to the database wait for a lock."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(PATIENCE), database.read() as session:
        while (await session.scalar(query) or 0) < connections:
            await session.execute(text("SELECT pg_sleep(0.01)"))


async def cut_connections(settings: Settings, where: str = "true") -> None:
    """Have the server end the connections to the database that match the condition."""
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    await execute(settings.database.url.get_secret_value(), f"{end} AND pid <> pg_backend_pid() AND {where}")


@asynccontextmanager
async def running(forever: Coroutine[Any, Any, NoReturn]) -> AsyncIterator[None]:
    """Run a coroutine that never returns during the block."""
    task = asyncio.create_task(forever)
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])
