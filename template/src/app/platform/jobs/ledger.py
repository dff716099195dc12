"""What becomes of a job, written down: each function is a statement for the row of one job, or of one worker's jobs.

The statements are made once: making one takes as long as running it.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Interval, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.jobs.attempt import MINE, Attempt
from app.platform.jobs.models import DeadJob, JobState, OutboxMessage
from app.platform.jobs.statements import Query

_AFTER: Any = bindparam("after", type_=Interval)

# One that is about to be handed over still waits, in the eyes of this statement, and is locked by the relay: so this
# waits for the relay, and then sees it handed over.
_CLAIM = (
    update(OutboxMessage)
    .where(OutboxMessage.id == bindparam("key"))
    .where(or_(OutboxMessage.state == JobState.HANDED_OVER, OutboxMessage.due_at <= func.now()))
    .values(
        state=JobState.RUNNING,
        worker=bindparam("claimer"),
        attempts=OutboxMessage.attempts + 1,
        # it may have waited
        due_at=func.clock_timestamp() + _AFTER,
    )
    .returning(
        OutboxMessage.job,
        OutboxMessage.attempts,
        OutboxMessage.arguments,
        OutboxMessage.request_id,
        func.extract("epoch", func.clock_timestamp() - OutboxMessage.created_at).label("age"),
    )
)
_DONE = delete(OutboxMessage).where(*MINE)
_TRY_AGAIN = (
    update(OutboxMessage)
    .where(*MINE)
    .values(state=JobState.WAITING, worker=None, error=bindparam("reason"), due_at=func.now() + _AFTER)
)
_HELD = (
    select(OutboxMessage.id)
    .where(OutboxMessage.worker == bindparam("claimer"), OutboxMessage.state == JobState.RUNNING)
    # the end of such a job is still under way in PostgreSQL
    .with_for_update(skip_locked=True)
    .cte("held")
)
_GIVE_BACK = (
    update(OutboxMessage)
    .where(OutboxMessage.id == _HELD.c.id)
    .values(state=JobState.WAITING, worker=None, attempts=OutboxMessage.attempts - 1, due_at=func.now())
)


def claim(key: UUID, worker: str, lease: timedelta) -> Query:
    """Take the job, unless it is done, taken or not due yet."""
    return _CLAIM, {"key": key, "claimer": worker, "after": lease}


def done(current: Attempt) -> Query:
    """The job is done; nothing is left to delete when it said so itself."""
    return _DONE, current.mine()


def try_again(current: Attempt, error: str, delay: timedelta) -> Query:
    """The attempt failed, and another one is due after the delay."""
    return _TRY_AGAIN, {**current.mine(), "reason": error, "after": delay}


def give_back(worker: str) -> Query:
    """The worker stops: what it has not finished is due at once, and this attempt does not count."""
    return _GIVE_BACK, {"claimer": worker}


async def bury(session: AsyncSession, current: Attempt, error: str) -> bool:
    """The job gave up: move it to the dead ones. False when it is no longer this attempt's."""
    created_at = await session.scalar(_DONE.returning(OutboxMessage.created_at), current.mine())
    if created_at is None:
        return False
    row = {
        "id": current.key,
        "job": current.job,
        "arguments": current.arguments,
        "request_id": current.request_id,
        "attempts": current.number,
        "error": error,
        "created_at": created_at,
    }
    await session.execute(insert(DeadJob), [row])
    return True
