"""Run reads in one step of the event loop."""

from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.util import greenlet_spawn

from app.platform import metrics
from app.platform.db import errors, monitoring
from app.platform.db.read_session import LazySession
from app.platform.db.replica import ReplicaSession
from app.platform.db.rows import Cursors, Run, on_connection
from app.platform.errors import DatabaseUnavailable
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)

ResultT = TypeVar("ResultT")

# A read changes nothing, so it may be repeated: on a new connection if the first one was lost, and at once, because
# reads do not get in each other's way.
TRIES = 2


async def in_one_step(session: AsyncSession, work: Callable[[Run], ResultT], *, prebuilt: bool) -> ResultT:
    """Call `work` with a function that runs SELECTs, and return what it returns.

    In a session of `Database.read()` that has no connection yet, the statements get one of their own, in autocommit
    mode, and are repeated once after a lost connection, a deadlock or a serialization failure, or on the primary if a
    replica was the cause; those that are built once take a shorter way. Else they run on the connection of the session,
    and see the transaction's own changes.
    """

    def shared(connection: Connection) -> ResultT:
        return work(on_connection(connection))

    def alone(engine: Engine) -> ResultT:
        if prebuilt and monitoring.watches_slow_statements_only(engine):
            with Cursors(engine) as run:
                return work(run)
        with engine.connect() as connection:
            return shared(connection)

    if isinstance(session, LazySession) and (engine := session.unused_engine):
        return await greenlet_spawn(_repeat, engine, alone)
    return await session.run_sync(_run, shared, alone)


def _run(session: Session, shared: Callable[[Connection], ResultT], alone: Callable[[Engine], ResultT]) -> ResultT:
    engine = session.bind
    if not getattr(session, "reads_only", False) or session.in_transaction() or not isinstance(engine, Engine):
        if session.autoflush:
            session.flush()
        return shared(session.connection())
    return _repeat(engine, alone, session)


def _repeat(engine: Engine, alone: Callable[[Engine], ResultT], session: Session | None = None) -> ResultT:
    for _ in range(1, TRIES):
        try:
            return alone(engine)
        except (DBAPIError, DatabaseUnavailable) as error:
            if isinstance(session, ReplicaSession) and (primary := session.move_to_primary(error)):
                engine = primary
                continue
            meaning = errors.meaning(error)
            if meaning is None or not meaning.repeatable:
                raise
            metrics.DB_RETRIES.labels(meaning.cause).inc()
            log.info("read_repeated", cause=meaning.cause, reason=summary(error))
    return alone(engine)
