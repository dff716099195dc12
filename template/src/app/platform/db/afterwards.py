"""Work that waits for the end of a transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

Work = Callable[[], Awaitable[None]]

_WORK = "after_transaction"
# asyncio itself does not keep tasks
_running: set[asyncio.Future[None]] = set()


def after_transaction(session: AsyncSession, work: Work) -> None:
    """Call `work` when the transaction of this session has committed, and also when nobody knows whether it has.

    It is not called when the transaction was rolled back: its block raised, or PostgreSQL refused to commit. The block
    of a session outside of `transaction()` may have committed before it raised, so there `work` is called in any case.

    Its errors reach the caller, who may take them for errors of the transaction: so it should raise none, and end soon.
    What else waits for this transaction is called all the same.
    """
    session.info.setdefault(_WORK, []).append(work)


def is_awaited(session: AsyncSession) -> bool:
    """Return whether work waits for this session."""
    # the session and its `info` are made at their first use, which costs more than this
    made = vars(session).get("sync_session")
    return made is not None and _WORK in vars(made).get("info", ())


def forget(session: Session) -> None:
    """Call nothing of what waits for this session: its transaction was rolled back."""
    session.info.pop(_WORK, None)


async def run(session: AsyncSession) -> None:
    """Do the work that waits for this session; to its end, also when the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(_do(session.info.pop(_WORK)))
    _running.add(task)
    task.add_done_callback(_running.discard)
    await asyncio.shield(task)


async def _do(waiting: Sequence[Work]) -> None:
    failures: list[Exception] = []
    for work in waiting:
        try:
            await work()
        except Exception as failure:  # noqa: BLE001 (raised when the others have been called)
            failures.append(failure)
    if failures:
        raise failures[0]
