"""A streaming replica: its pool, whether it may be used, and what becomes of a read that fails there."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from sqlalchemy import Engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import ORMExecuteState

from app.platform import metrics
from app.platform.db import errors
from app.platform.db.connections import OnConnect
from app.platform.db.engine import open_engine, readers
from app.platform.db.read_session import ReadSession
from app.platform.db.replica_watch import DEADLINE, Probe
from app.platform.db.unit_of_work import UnitOfWork
from app.platform.errors import DatabaseUnavailable
from app.platform.settings import DatabaseSettings

log = structlog.get_logger(__name__)

# undefined_table, undefined_column: a migration that the replica has not replayed yet
_NOT_YET_THERE = {"42P01", "42703"}
_LOST = {"connection_lost", "no_answer"}


class Replica:
    """One replica. A good check lets it be used for some seconds; without further checks it is left.

    Attributes:
        name: its host and port.
        primary: the engine for reads of the primary.
        probe: asks the replica how far it is.
        reason: why it is left out; empty while it is in use, and `None` before the first check.
    """

    def __init__(self, settings: DatabaseSettings, primary: Engine, on_connect: Sequence[OnConnect] = ()) -> None:
        self._open = open_engine(settings, on_connect)
        self.primary = primary
        self.probe = Probe(settings)
        self.reason: str | None = None
        self._usable_until = 0.0
        url = self._open.engine.url
        host, port = url.query.get("host", url.host), url.query.get("port", url.port)
        self.name = f"{host}:{port or 5432}"
        self._sessions = async_sessionmaker(
            readers(self._open.engine, settings),
            expire_on_commit=False,
            sync_session_class=ReplicaSession,
            info={"replica": self},
        )

    @property
    def usable(self) -> bool:
        """Return whether reads may go there now."""
        return time.monotonic() < self._usable_until

    def unit_of_work(self) -> UnitOfWork:
        """Return a unit of work that reads from the replica."""
        return UnitOfWork(self._sessions(), self._open)

    def use(self, until: float) -> None:
        """Use the replica until this time."""
        self._usable_until = until
        if self.reason:
            log.info("replica_back", replica=self.name)
        self.reason = ""
        metrics.DB_REPLICA_IN_USE.labels(self.name).set(1)

    def leave_out(self, reason: str, **details: Any) -> bool:
        """Use the replica no longer, until the next good check; return whether this is new."""
        self._usable_until = 0.0
        metrics.DB_REPLICA_IN_USE.labels(self.name).set(0)
        if self.reason:
            return False
        self.reason = reason
        metrics.DB_REPLICA_LEFT_OUT.labels(reason).inc()
        log.warning("replica_left_out", replica=self.name, reason=reason, **details)
        return True

    async def renew(self) -> None:
        """Connect anew, because the host has become another server; connections in use end with their work."""
        await self.probe.renew()
        await self._open.engine.dispose()

    async def drop(self, *, close: bool) -> None:
        """Close all connections, or forget those that belong to another process or event loop."""
        if not close:
            await self._open.engine.dispose(close=False)
            return
        await self.probe.close()
        # a driver says good-bye, and would wait for a silent server's answer
        with suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE):
                await self._open.engine.dispose()

    def is_cause(self, error: Exception) -> bool:
        """Return whether a failed read is to be repeated on the primary; leave the replica out if it was lost."""
        if isinstance(error, DatabaseUnavailable):
            self.leave_out("not_connected")
            return True
        meaning = errors.meaning(error)
        if meaning is None:
            return getattr(getattr(error, "orig", None), "sqlstate", None) in _NOT_YET_THERE
        if meaning.cause in _LOST:
            self.leave_out(meaning.cause)
        elif meaning.repeatable:
            # until the next check, so that those who are in its way do not all go to the primary past its gate
            self._usable_until = 0.0
        # not what got no answer: the client has waited long enough
        return meaning.repeatable


class ReplicaSession(ReadSession):
    """A session that reads from a replica. It moves to the primary when its first read fails because of the replica."""

    def move_to_primary(self, error: Exception) -> Engine | None:
        """Return the engine of the primary, which the session uses from now on; `None` if that would not help."""
        replica: Replica | None = self.info.get("replica")
        # what was read before would be a mixture of two servers, and the rollback would expire it
        if replica is None or self.identity_map.values() or not replica.is_cause(error):
            return None
        self.rollback()
        del self.info["replica"]
        metrics.DB_REPLICA_REPETITIONS.inc()
        # not through its gate: these are few, because the replica is left out, and the pool itself has a limit
        self.bind = replica.primary
        return replica.primary


@event.listens_for(ReplicaSession, "do_orm_execute")
def _repeat_on_primary(state: ORMExecuteState) -> Any:
    session = state.session
    if not isinstance(session, ReplicaSession) or "replica" not in session.info:
        return None
    try:
        return state.invoke_statement()
    except (SQLAlchemyError, DatabaseUnavailable) as error:
        if session.move_to_primary(error) is None:
            raise
        return state.invoke_statement()
