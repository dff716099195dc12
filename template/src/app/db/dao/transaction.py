"""Several steps in one transaction."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import SessionProvider

ResultT = TypeVar("ResultT")


async def execute_transaction(
    session_provider: SessionProvider,
    callback: Callable[[SessionProvider], Awaitable[ResultT]],
    *,
    autoflush: bool = True,
) -> ResultT:
    """Run the callback in one transaction, and return what it returns.

    DAOs built on the session provider it is given share the transaction, which is committed when the callback returns
    and rolled back when it raises. Inside of another transaction it joins that one.

    Raises:
        Exception: what the callback raised.
        RuntimeError: the callback caught the error of a step that failed half-way; nothing was committed.
    """
    async with session_provider.transaction(autoflush=autoflush) as session:
        steps = _OpenTransaction(session)
        try:
            result = await callback(steps)
        finally:
            steps.ended = True
        if steps.failure:
            message = "a step of this transaction failed, and its error was caught: nothing is committed"
            raise RuntimeError(message) from steps.failure
        return result


class _OpenTransaction:
    """Hands out the session of a transaction that somebody else commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.ended = False
        self.failure: BaseException | None = None

    @asynccontextmanager
    async def transaction(self, *, autoflush: bool = True) -> AsyncIterator[AsyncSession]:
        session = self._current()
        try:
            with nullcontext() if autoflush else session.no_autoflush:
                yield session
        except BaseException as error:
            # whoever opened a savepoint takes the step back; otherwise half of it would be committed
            if not session.in_nested_transaction():
                self.failure = error
            raise

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        yield self._current()

    def _current(self) -> AsyncSession:
        if self.ended:
            message = "the transaction has ended: its session provider is for use inside the callback only"
            raise RuntimeError(message)
        return self._session
