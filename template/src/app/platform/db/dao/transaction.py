"""Several steps in one transaction."""

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
    """Run the callback in one transaction, and return what it returns.

    DAOs built on the session provider it is given share the transaction, which is committed when the callback returns
    and rolled back when it raises. Inside of another transaction it joins that one.

    Raises:
        Exception: what the callback raised.
        RuntimeError: the callback caught the error of a step that failed half-way; nothing was committed.
    """
    async with shared_transaction(session_provider, autoflush=autoflush) as steps:
        return await callback(steps)
