"""Run several DAO calls in one transaction."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.platform.db.session import SessionProvider
from app.platform.db.shared import shared_transaction

ResultT = TypeVar("ResultT")


async def execute_transaction(
    session_provider: SessionProvider,
    callback: Callable[[SessionProvider], Awaitable[ResultT]],
    *,
    autoflush: bool = True,
) -> ResultT:
    """Run the callback in one transaction, and return the callback's result.

    DAOs that the callback builds on its session provider share the transaction, which commits when the callback
    returns and rolls back when it raises. Inside another such transaction, join it.

    Raises:
        Exception: the callback raised it.
        RuntimeError: the callback caught the error of a step that failed; nothing was committed.
    """
    async with shared_transaction(session_provider, autoflush=autoflush) as steps:
        return await callback(steps)
