"""Run reads on a connection in one step of the event loop."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from app.platform import metrics
from app.platform.db import errors
from app.platform.db.replica import ReplicaSession
from app.platform.errors import DatabaseUnavailable

ResultT = TypeVar("ResultT")

# a read changes nothing, so it may be repeated: on a new connection, when the first one was lost
TRIES = 2


async def in_one_step(session: AsyncSession, work: Callable[[Connection], ResultT]) -> ResultT:
    """Call `work` with a connection, and return what it returns. It must only read.

    In a session of `Database.read()` that has no connection yet, `work` gets one of its own, in autocommit mode, and is
    repeated once if the connection is lost, or on the primary if a replica was the cause. Else it gets the connection
    of the session, which sees the transaction's own changes.
    """
    return await session.run_sync(_run, work)


def _run(session: Session, work: Callable[[Connection], ResultT]) -> ResultT:
    engine = session.bind
    if not getattr(session, "reads_only", False) or session.in_transaction() or not isinstance(engine, Engine):
        if session.autoflush:
            session.flush()
        return work(session.connection())
    for _ in range(1, TRIES):
        try:
            with engine.connect() as connection:
                return work(connection)
        except (DBAPIError, DatabaseUnavailable) as error:
            if isinstance(session, ReplicaSession) and (primary := session.move_to_primary(error)):
                engine = primary
                continue
            meaning = errors.meaning(error)
            if meaning is None or not meaning.repeatable:
                raise
            metrics.DB_RETRIES.labels(meaning.cause).inc()
    with engine.connect() as connection:
        return work(connection)
