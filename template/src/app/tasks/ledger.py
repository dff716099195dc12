"""What becomes of a job, written down: each function is a statement for the row of one job, or of one worker's jobs."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Delete, Update, and_, delete, func, insert, or_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningUpdate

from app.tasks.attempt import Attempt, mine
from app.tasks.models import DeadJob, JobState, OutboxMessage


def claim(key: UUID, worker: str, lease: timedelta) -> ReturningUpdate[Any]:
    """Take the job, unless it is done, taken or not due yet.

    One that is about to be handed over still waits, in the eyes of this statement, and is locked by the relay: so this
    waits for the relay, and then sees it handed over.
    """
    due = OutboxMessage.due_at <= func.now()
    free = or_(OutboxMessage.state == JobState.HANDED_OVER, due)
    return (
        update(OutboxMessage)
        .where(OutboxMessage.id == key, free)
        .values(
            state=JobState.RUNNING,
            worker=worker,
            attempts=OutboxMessage.attempts + 1,
            due_at=func.now() + lease,
        )
        .returning(
            OutboxMessage.job,
            OutboxMessage.attempts,
            OutboxMessage.arguments,
            OutboxMessage.request_id,
            func.extract("epoch", func.clock_timestamp() - OutboxMessage.created_at).label("age"),
        )
    )


def done(current: Attempt) -> Delete:
    """The job is done; nothing is left to delete when it said so itself."""
    return delete(OutboxMessage).where(*mine(current))


def try_again(current: Attempt, error: str, delay: timedelta) -> Update:
    """The attempt failed, and another one is due after the delay."""
    return (
        update(OutboxMessage)
        .where(*mine(current))
        .values(state=JobState.WAITING, worker=None, error=error, due_at=func.now() + delay)
    )


def give_back(worker: str) -> Update:
    """The worker stops: what it has not finished is due at once, and this attempt does not count."""
    return (
        update(OutboxMessage)
        .where(and_(OutboxMessage.worker == worker, OutboxMessage.state == JobState.RUNNING))
        .values(state=JobState.WAITING, worker=None, attempts=OutboxMessage.attempts - 1, due_at=func.now())
    )


async def bury(session: AsyncSession, current: Attempt, error: str) -> bool:
    """The job gave up: move it to the dead ones. False when it is no longer this attempt's."""
    gone = delete(OutboxMessage).where(*mine(current)).returning(OutboxMessage.created_at)
    created_at = await session.scalar(gone)
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
