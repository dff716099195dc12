"""Run reads on a connection in one step of the event loop."""

from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from app.platform import metrics
from app.platform.db import errors
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

ResultT = TypeVar("ResultT")

# A read changes nothing, so it may be repeated: on a new connection if the first one was lost, and at once, because
# reads do not get in each other's way.
TRIES = 2


async def in_one_step(session: AsyncSession, work: Callable[[Connection], ResultT]) -> ResultT:
    """Call `work` with a connection, and return what it returns. It must only read.

    In a session of `Database.read()` that has no connection yet, `work` gets one of its own, in autocommit mode, and is
    repeated once after a lost connection, a deadlock or a serialization failure. Else it gets the connection of the
    session, which sees the transaction's own changes.
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
        except DBAPIError as error:
            meaning = errors.meaning(error)
            if meaning is None or not meaning.repeatable:
                raise
            metrics.DB_RETRIES.labels(meaning.cause).inc()
            log.info("read_repeated", cause=meaning.cause, reason=summary(error))
    with engine.connect() as connection:
        return work(connection)
