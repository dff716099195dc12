"""Units of work: a session behind the gate of the pool, from the first statement to the commit."""

import asyncio
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from app.platform.db import afterwards, errors, safety
from app.platform.db.engine import OpenEngine
from app.platform.db.held import Held
from app.platform.db.read_session import LazySession
from app.platform.db.recent_writers import RecentWriters
from app.platform.errors import OutcomeUnknown
from app.platform.tracebacks import summary

log = structlog.get_logger(__name__)


class UnitOfWork(AbstractAsyncContextManager[AsyncSession]):
    """A session, in a transaction if it is to write; after the block nothing of it is left open.

    A class, and closed in one step of the event loop: `async with session` starts a task of its own to close it, which
    costs a tenth of a read, and is needed only if the block fails and may be cancelled once more meanwhile.
    """

    __slots__ = ("_held", "_open", "_session", "_transaction", "_writers", "_writes")

    def __init__(
        self,
        session: AsyncSession,
        opened: OpenEngine | None,
        writers: RecentWriters | None = None,
        *,
        writes: bool = False,
    ) -> None:
        self._session = session
        self._open = opened
        self._writes = writes
        self._writers = writers
        self._held: Held | None = None
        self._transaction: SessionTransaction | None = None

    async def __aenter__(self) -> AsyncSession:
        if self._open:
            self._held = self._open.watch.begin(await self._open.gate.enter())
        if self._writes:
            # sends nothing: BEGIN comes with the first statement
            self._transaction = self._session.sync_session.begin().__enter__()
        return self._session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._transaction is None and _is_unused(self._session):
            self._leave()
            await self._follow_up()
            return
        if error is None:
            try:
                await self._session.run_sync(self._end, None, None, None)
            finally:
                self._leave()
                # also when nobody knows whether the commit arrived
                await self._follow_up()
            return
        ending = asyncio.ensure_future(self._session.run_sync(self._end, kind, error, traceback))
        # also when this is cancelled before the rollback is through
        ending.add_done_callback(self._leave)
        try:
            await asyncio.shield(ending)
        except Exception as failure:  # noqa: BLE001 (whatever it is, the block's own error says more)
            # nothing is lost: a connection that cannot roll back is thrown away, and the server rolls back
            log.warning("rollback_failed", reason=summary(failure))
        if not self._writes:
            # the block may have committed before it failed
            await self._follow_up()

    async def _follow_up(self) -> None:
        try:
            if self._writers:
                await self._writers.note(self._session)
        finally:
            if afterwards.is_awaited(self._session):
                await afterwards.run(self._session)

    def _end(self, session: Session, *error: Any) -> None:
        try:
            if self._transaction:
                if error[0] is None and session.in_transaction() and not session.is_active:
                    # SQLAlchemy would end it without a word
                    session.rollback()
                    raise RuntimeError(safety.NOTHING_COMMITTED)
                self._transaction.__exit__(*error)
        except (DBAPIError, RuntimeError) as failure:
            if error[0] is None and errors.outcome_is_unknown(failure):
                log.warning("outcome_unknown", reason=summary(failure))
                raise OutcomeUnknown from failure
            afterwards.forget(session)
            raise
        finally:
            session.close()

    def _leave(self, _: object = None) -> None:
        if self._open and self._held:
            self._open.watch.end(self._held)
            self._open.gate.leave(self._held.place)


def _is_unused(session: AsyncSession) -> bool:
    """Return whether it has neither a connection nor objects, so that nothing has to be closed."""
    if isinstance(session, LazySession) and not session.is_made:
        return True
    return not (session.in_transaction() or session.identity_map)
