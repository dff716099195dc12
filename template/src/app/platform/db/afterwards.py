"""Work that waits for the end of a transaction."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession

Work = Callable[[], Awaitable[None]]

_WORK = "after_transaction"


def after_transaction(session: AsyncSession, work: Work) -> None:
    """Call `work` when the transaction of this session has committed, and also when nobody knows whether it has.

    It is not called after a rollback. Its errors reach the caller, who may take them for errors of the transaction: so
    it should raise none, and end soon.
    """
    session.info.setdefault(_WORK, []).append(work)


async def run(session: AsyncSession) -> None:
    """Do the work that waits for this session."""
    for work in session.info.pop(_WORK, ()):
        await work()
