"""A transaction that several services or DAOs share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.db.session import SessionProvider


class SharedTransaction:
    """Provides the session of an open transaction: a service or DAO built on it works inside this transaction.

    Use the attribute `session` for other statements in the transaction.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self.failure: BaseException | None = None
        self.ended = False

    @property
    def session(self) -> AsyncSession:
        """The session.

        Raises:
            RuntimeError: the transaction has ended.
        """
        if self.ended:
            message = "the transaction has ended: its session provider is for use inside the callback only"
            raise RuntimeError(message)
        return self._session

    @asynccontextmanager
    async def transaction(self, *, autoflush: bool = True) -> AsyncIterator[AsyncSession]:
        """Yield the shared session; the end of the block commits nothing."""
        session = self.session
        try:
            with nullcontext() if autoflush else session.no_autoflush:
                yield session
        except BaseException as error:
            # an open savepoint rolls the failed step back; without one, half of the step would be committed
            if not session.in_nested_transaction():
                self.failure = error
            raise

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Yield the shared session, which sees the transaction's own changes."""
        yield self.session


@asynccontextmanager
async def shared_transaction(provider: SessionProvider, *, autoflush: bool = True) -> AsyncIterator[SharedTransaction]:
    """Open a transaction to share: committed at the end of the block, rolled back when the block raises.

    Inside another shared transaction, join it.

    Raises:
        RuntimeError: the block caught the error of a step that failed; nothing was committed.
    """
    async with provider.transaction(autoflush=autoflush) as session:
        shared = SharedTransaction(session)
        try:
            yield shared
        finally:
            shared.ended = True
        if shared.failure:
            message = "a step of this transaction failed, and its error was caught: nothing is committed"
            raise RuntimeError(message) from shared.failure
