"""A transaction that several services share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from sqlalchemy.ext.asyncio import AsyncSession


class Joined:
    """Hands out the session of an open transaction: a service that is built on it works inside of that transaction.

    Whoever opened the transaction ends it. What a service raises must not be caught inside of it: half of its work
    would be committed.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @asynccontextmanager
    async def transaction(self, *, autoflush: bool = True) -> AsyncIterator[AsyncSession]:
        """The session; nothing is committed at the end of the block."""
        with nullcontext() if autoflush else self._session.no_autoflush:
            yield self._session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """The session; it sees what the transaction has done so far."""
        yield self._session
