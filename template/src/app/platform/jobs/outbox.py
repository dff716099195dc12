"""Every statement on the rows of jobs, from `enqueue` to the end of the job; monitoring only reads them.

A service calls `enqueue` in the transaction of the job's cause: both are committed, or neither. Jobs start in no
particular sequence, and each may be attempted more than once; `finish` makes its effects in the database happen once.

    state before             state after    function               caller
    -                        waiting        enqueue                service, scheduler
    any, once due            handed_over    take_due               relay
    handed_over, or any due  running        claim                  runner
    running                  row deleted    finish                 the job itself
    running                  row deleted    done                   runner
    running                  waiting        try_again              runner: the attempt failed
    running                  waiting        give_back              worker: it stops
    running                  dead letter    move_to_dead_letters   runner: the job gave up
    dead letter              waiting        replay                 command line

A row is due when its `due_at` has passed: the delay of a waiting job, the delivery time-out of a `handed_over` one,
the lease of a running one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic_core import to_jsonable_python
from sqlalchemy import ColumnElement, Integer, Interval, Row, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.platform.jobs.attempt import Attempt, AttemptSuperseded, attempt
from app.platform.jobs.autocommit import Statement
from app.platform.jobs.cause import current_cause
from app.platform.jobs.job import Job
from app.platform.jobs.models import DeadLetter, JobState, OutboxMessage

# the channel of PostgreSQL's notifications; the trigger in migrations/jobs/ uses the same name
CHANNEL = "outbox_messages"
# of PostgreSQL's type
LARGEST_INTEGER = 2_147_483_647

# The statements are built once, on import: building one takes as long as running it.
_DELAY: Any = bindparam("delay", type_=Interval)
_HELD_BY_THIS_ATTEMPT = (
    OutboxMessage.id == bindparam("key"),
    OutboxMessage.attempts == bindparam("number"),
    OutboxMessage.state == JobState.RUNNING,
)
_DUE = (
    select(OutboxMessage.id)
    .where(OutboxMessage.due_at <= func.now())
    .order_by(OutboxMessage.due_at)
    .limit(bindparam("batch", type_=Integer))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_TAKE_DUE = (
    update(OutboxMessage)
    .where(OutboxMessage.id == _DUE.c.id)
    .values(state=JobState.DELIVERED, due_at=func.now() + _DELAY)
    .returning(OutboxMessage.id, OutboxMessage.job, OutboxMessage.attempts)
    .execution_options(synchronize_session=False)
)
# A job that the relay is delivering is still waiting in this statement's snapshot, and the relay has locked its row: so
# the statement waits for the relay, and then sees the job as delivered.
_CLAIM = (
    update(OutboxMessage)
    .where(OutboxMessage.id == bindparam("key"))
    .where(or_(OutboxMessage.state == JobState.DELIVERED, OutboxMessage.due_at <= func.now()))
    .values(
        state=JobState.RUNNING,
        worker=bindparam("claimer"),
        attempts=func.least(OutboxMessage.attempts, LARGEST_INTEGER - 1) + 1,
        # not now(): the statement may have waited for a lock
        due_at=func.clock_timestamp() + _DELAY,
    )
    .returning(
        OutboxMessage.job,
        OutboxMessage.attempts,
        OutboxMessage.arguments,
        OutboxMessage.request_id,
        func.extract("epoch", func.clock_timestamp() - OutboxMessage.created_at).label("age"),
    )
)
_DONE = delete(OutboxMessage).where(*_HELD_BY_THIS_ATTEMPT)
_FINISH = _DONE.returning(OutboxMessage.created_at).execution_options(synchronize_session=False)
_TRY_AGAIN = (
    update(OutboxMessage)
    .where(*_HELD_BY_THIS_ATTEMPT)
    .values(state=JobState.WAITING, worker=None, error=bindparam("reason"), due_at=func.now() + _DELAY)
)
_HELD_BY_WORKER = (
    select(OutboxMessage.id)
    .where(OutboxMessage.worker == bindparam("claimer"), OutboxMessage.state == JobState.RUNNING)
    # a locked row belongs to a job that is being finished at this moment
    .with_for_update(skip_locked=True)
    .cte("held")
)
_GIVE_BACK = (
    update(OutboxMessage)
    .where(OutboxMessage.id == _HELD_BY_WORKER.c.id)
    .values(state=JobState.WAITING, worker=None, attempts=OutboxMessage.attempts - 1, due_at=func.now())
)


async def enqueue(session: AsyncSession, job: Job, **arguments: Any) -> UUID:
    """Add the job to the session's transaction, and return its key, which all its attempts share.

    Raises:
        PydanticSerializationError: an argument cannot be written as JSON.
        RuntimeError: the session only reads.
    """
    key = uuid4()
    row = {
        "id": key,
        "job": job.name,
        "arguments": to_jsonable_python(arguments),
        "request_id": current_cause(),
    }
    await session.execute(insert(OutboxMessage), [row])
    return key


def take_due(batch: int, redeliver_after: timedelta) -> Statement:
    """Mark up to `batch` due jobs as delivered, and return their ids, names and attempts so far."""
    return _TAKE_DUE, {"batch": batch, "delay": redeliver_after}


def claim(key: UUID, worker: str, lease: timedelta) -> Statement:
    """Start an attempt at the job, and return its row; return none if the job is done, running or not due."""
    return _CLAIM, {"key": key, "claimer": worker, "delay": lease}


async def finish(session: AsyncSession) -> None:
    """End the running job in the session's transaction, so that the job's effects and its end are committed together.

    Therefore the effects happen once, even if processes are killed or the job is attempted again. Outside of jobs this
    does nothing, so that a job and a request can call the same service method.

    Raises:
        AttemptSuperseded: another attempt has started or finished the job.
    """
    current = attempt.get()
    if current is None:
        return
    if await session.scalar(_FINISH, _held_by(current)) is None:
        raise AttemptSuperseded


def done(current: Attempt) -> Statement:
    """Delete the row of a job that succeeded; `finish` may have deleted it before."""
    return _DONE, _held_by(current)


def try_again(current: Attempt, error: str, delay: timedelta) -> Statement:
    """Make the job wait for its next attempt."""
    return _TRY_AGAIN, {**_held_by(current), "reason": error, "delay": delay}


def give_back(worker: str) -> Statement:
    """Make the worker's running jobs due at once, without counting the interrupted attempts."""
    return _GIVE_BACK, {"claimer": worker}


async def move_to_dead_letters(session: AsyncSession, current: Attempt, error: str) -> bool:
    """Move the job to the dead letters; return False if another attempt holds or has ended the job."""
    created_at = await session.scalar(_FINISH, _held_by(current))
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
    await session.execute(insert(DeadLetter), [row])
    return True


async def replay(session: AsyncSession, letters: Sequence[DeadLetter]) -> None:
    """Enqueue the jobs of deleted dead letters again: with the same keys, and with all their attempts."""
    # not created_at: metrics measure from it how long a job has waited
    kept = ("id", "job", "arguments", "request_id")
    if letters:
        rows = [{name: getattr(letter, name) for name in kept} for letter in letters]
        await session.execute(insert(OutboxMessage), rows)


async def count_unfinished(session: AsyncSession) -> Sequence[Row[str, str, int, datetime]]:
    """Return name, state, number and oldest creation time of the jobs in the outbox."""
    query = (
        select(OutboxMessage.job, OutboxMessage.state, func.count(), func.min(OutboxMessage.created_at))
        .group_by(OutboxMessage.job, OutboxMessage.state)
        .order_by(OutboxMessage.job, OutboxMessage.state)
    )
    return (await session.execute(query)).all()


async def dead_letters(session: AsyncSession, min_age: timedelta) -> Sequence[DeadLetter]:
    """Return the dead letters of at least this age, oldest first."""
    query = select(DeadLetter).where(_died_before(min_age)).order_by(DeadLetter.died_at, DeadLetter.id)
    return (await session.scalars(query)).all()


async def delete_dead_letters(session: AsyncSession, ids: Sequence[UUID], min_age: timedelta) -> Sequence[DeadLetter]:
    """Delete and return the dead letters of at least this age: those with these ids, or all if none is given."""
    query = delete(DeadLetter).where(_died_before(min_age))
    if ids:
        query = query.where(DeadLetter.id.in_(ids))
    return (await session.scalars(query.returning(DeadLetter))).all()


def _died_before(age: timedelta) -> ColumnElement[bool]:
    return DeadLetter.died_at <= func.now() - age


def _held_by(current: Attempt) -> dict[str, Any]:
    """Return the parameters of `_HELD_BY_THIS_ATTEMPT`."""
    return {"key": current.key, "number": current.number}
